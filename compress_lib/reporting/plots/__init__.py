"""Plotly figures of run and study records."""
