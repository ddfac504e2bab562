"""Storage forms with integer codes: uniform grids, NF4, mixed bits, product quantization."""
