"""Autoencoders over the rows of a matrix: shape, network, losses, training and storage."""
