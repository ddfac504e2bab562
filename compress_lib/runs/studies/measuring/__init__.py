"""Measurement of studies and quality rows; imports torch, unlike the studies themselves."""
