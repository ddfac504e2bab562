"""Calibrate and compress: statistics, the loop, sequential mode."""
