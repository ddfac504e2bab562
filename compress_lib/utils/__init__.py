"""Model-independent utilities: files, progress, parallel map, options, formatting."""
