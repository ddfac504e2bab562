"""The plan form: inputs, layer map, preview, validation."""
