"""Tests of `compress_lib.runs`."""
