"""Corpora, tokenization into evaluation examples, calibration text."""
