"""Benchmarks that anyone can repeat: speed, quality, workers."""
