"""Methods for token tables: tiers, blocks of ranks, product quantization."""
