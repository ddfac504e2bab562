"""Deployment: Space front matter, README sections, bundles."""
