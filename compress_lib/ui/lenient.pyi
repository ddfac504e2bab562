"""Components that leave wrong values to us, in place of the word Error over all results."""

from __future__ import annotations

from typing import Any

import gradio as gr

class AnySlider(gr.Slider):
    """A slider that hands on whatever was typed beside it, for `controls.read` to answer.

    A class, because what is set on an instance is lost when a session gets a component of its own.
    """

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        """Return what was given."""
        return payload
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component

class AnyDropdown(gr.Dropdown):
    """A menu that keeps what was chosen from it when its choices change."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        """Return what was given."""
        return payload
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component
