"""Deployment: front matter, generated documents and bundles."""
