"""Storage forms that keep integer codes: uniform grids, NF4, mixed bits, product codes."""
