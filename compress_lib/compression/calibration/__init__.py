"""Calibration statistics: hooks that collect them, and their cache on disk."""
