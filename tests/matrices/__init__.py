"""Tests of `compress_lib.matrices`."""
