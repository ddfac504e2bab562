"""Tests of `compress_lib.plan`."""
