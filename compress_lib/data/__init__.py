"""Corpora, tokenization, evaluation examples and calibration text."""
