"""Low-rank factorizations and the encoding of their factors."""
