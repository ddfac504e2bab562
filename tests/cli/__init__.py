"""Tests of `compress_lib.cli`."""
