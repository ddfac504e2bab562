"""Tests of `compress_lib.ui`."""
