"""Model loading, weight discovery, layer replacement and checkpoints."""
