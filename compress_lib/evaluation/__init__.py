"""Evaluation: perplexity, KL divergence, direction errors, memory, generation and tasks."""
