"""Compression of a model: calibration statistics, byte allocation and sequential compression."""
