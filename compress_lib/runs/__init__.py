"""Execute a plan end to end; `studies` executes many."""
