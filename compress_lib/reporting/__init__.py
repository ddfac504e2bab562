"""Plotly charts, and exports of runs: report, notebook, code, model card and site."""
