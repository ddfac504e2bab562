"""Gradio theme and style sheet of the page."""

from __future__ import annotations

import gradio as gr

from compress_lib.utils.paths import ASSETS

STYLE = ASSETS / "style.css"


def theme() -> gr.themes.Base:
    """Return the theme: system fonts only (no requests to other hosts), contrast of WCAG AA."""
    fonts = ("system-ui", "-apple-system", "Segoe UI", "sans-serif")
    return gr.themes.Base(
        primary_hue=gr.themes.colors.indigo,
        secondary_hue=gr.themes.colors.indigo,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_md,
        font=fonts,
        font_mono=("ui-monospace", "SFMono-Regular", "Menlo", "monospace"),
    ).set(
        body_background_fill="#f6f7fb",
        body_background_fill_dark="#0f1220",
        body_text_color="#1d2333",
        body_text_color_dark="#e6e9f2",
        body_text_color_subdued="#545d70",
        body_text_color_subdued_dark="#a5aec2",
        block_background_fill="#ffffff",
        block_background_fill_dark="#171b2c",
        block_border_width="1px",
        block_border_color="#e2e6ef",
        block_border_color_dark="#2a3048",
        block_label_text_color="#3a4358",
        block_label_text_color_dark="#c3cadb",
        block_title_text_color="#2b3347",
        block_title_text_color_dark="#d6dcea",
        block_info_text_color="#545d70",
        block_info_text_color_dark="#a5aec2",
        input_background_fill="#fbfcfe",
        input_background_fill_dark="#111525",
        input_border_width="1px",
        input_border_color="#cdd4e2",
        input_border_color_dark="#38405c",
        button_primary_background_fill="#4338ca",
        button_primary_background_fill_hover="#3730a3",
        button_primary_background_fill_dark="#4f46e5",
        button_primary_background_fill_hover_dark="#6366f1",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        checkbox_label_background_fill="#f1f3f9",
        checkbox_label_background_fill_dark="#20253d",
        checkbox_label_background_fill_selected="#e4e7fb",
        checkbox_label_background_fill_selected_dark="#2f3663",
        button_secondary_background_fill="#e9ecf5",
        button_secondary_background_fill_dark="#2a3048",
        slider_color="#4f46e5",
        slider_color_dark="#818cf8",
        link_text_color="#3730a3",
        link_text_color_dark="#a5b4fc",
    )


def style() -> str:
    """Return the style sheet."""
    return STYLE.read_text(encoding="utf-8")
