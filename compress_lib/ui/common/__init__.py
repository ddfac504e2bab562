"""Shared parts of the page: texts, translations, HTML, components, browser scripts, messages."""
