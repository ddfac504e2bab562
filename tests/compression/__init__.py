"""Tests of `compress_lib.compression`."""
