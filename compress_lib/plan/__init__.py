"""Plans: rules, byte allocation and loss forecasts, all before a run. Does not import torch."""
