"""Autoencoders over the rows of a matrix: their shape, network, losses, training and storage."""
