"""Tensor decompositions: Kronecker products and Tucker."""
