"""Factorized storage forms: low rank, pivoted, Kronecker, Tucker."""
