"""Tests of `compress_lib.results`."""
