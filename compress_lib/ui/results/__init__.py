"""The result panel: headline, tabs, comparison, downloads."""
