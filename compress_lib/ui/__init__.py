"""Gradio web page; no other package imports gradio."""
