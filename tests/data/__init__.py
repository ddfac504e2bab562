"""Tests of `compress_lib.data`."""
