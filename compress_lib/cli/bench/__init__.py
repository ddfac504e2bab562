"""Benchmarks (speed, quality, training, workers) and the precomputed data of the page."""
