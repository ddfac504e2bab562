"""Tests of `compress_lib.evaluation`."""
