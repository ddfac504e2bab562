"""Runs: execute a plan end to end; `studies` contains experiments of many runs."""
