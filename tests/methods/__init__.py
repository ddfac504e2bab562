"""Tests of `compress_lib.methods`."""
