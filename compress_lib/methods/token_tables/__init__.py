"""Embedding and LM head methods: tiered bits, GroupReduce, product quantization."""
