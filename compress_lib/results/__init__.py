"""After a run: records, metrics, confidence intervals, comparison, store. No torch."""
