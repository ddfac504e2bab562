"""Tests of `compress_lib.models`."""
