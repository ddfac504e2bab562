"""The torch worker behind the page: job queue, caches, runs of a session."""
