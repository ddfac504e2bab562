"""Page-wide parts: texts, theme, HTML, components, browser scripts."""
