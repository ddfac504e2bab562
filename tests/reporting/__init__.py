"""Tests of `compress_lib.reporting`."""
