"""Scalar quantization: integer grids, NF4 and GPTQ."""
