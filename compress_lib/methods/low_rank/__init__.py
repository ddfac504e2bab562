"""Low-rank factorizations, with the encoding of their factors."""
