"""Find, fetch and load a model; locate its weights; swap layers; save and reload checkpoints."""
