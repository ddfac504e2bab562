"""Tests of `compress_lib.utils`."""
