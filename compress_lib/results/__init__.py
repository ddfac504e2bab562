"""Results: run records, metrics, confidence intervals, paired comparison and the run store.

Does not import torch.
"""
