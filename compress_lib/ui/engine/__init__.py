"""Torch worker behind the page: job queue, model caches, run index, session runs."""
