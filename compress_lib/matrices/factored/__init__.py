"""Storage forms that keep factors: low rank, pivoted, Kronecker, Tucker."""
