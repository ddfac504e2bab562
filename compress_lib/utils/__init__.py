"""Helpers that know nothing of models: files, progress, parallel map, options, formatting."""
