"""Which text a plan measures on or chooses by, how much of it, and by which protocol.

Knows no torch, as the plan does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from compress_lib.errors import CompressionError, check_integer, unknown_name

STRICT: Any = {"extra": "forbid"}
"""For pydantic, which reads plans: a field that no plan has is an error."""

MAX_TEXT = 200_000

QUICK_TOKENS = 4096
"""Calibration tokens for a first look: gathered in a minute or two, not in ten."""

OWN_TEXT = "own"

AUTOMATIC = "automatic"
"""The protocol that is usual for the kind of model."""

PROTOCOLS = {"causal": "causal", "whole_word": "masked", "pseudo": "masked"}
"""How perplexity is measured, with the kind of model it is for; see `evaluation.masked`."""

USUAL_PROTOCOLS = {"causal": "causal", "masked": "whole_word"}
"""What `automatic` stands for, by the kind of model."""


@dataclass(frozen=True, kw_only=True)
class TextSpec:
    """Which text, how much of it, and in what pieces.

    Attributes:
        corpus: A name of `CORPORA`, the path of a text file, or `own`.
        tokens: The first so many tokens; for calibration, and of lines, at most so many.
        context: Tokens in a block; nothing is carried from one block to the next.
        protocol: One of `PROTOCOLS`, or `automatic`.
        text: The text itself, where the corpus is `own`.
        digest: SHA-256 of the text, filled in when it is read.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    corpus: str = "prose"
    tokens: int = 2048
    context: int = 512
    protocol: str = AUTOMATIC
    text: str | None = None
    digest: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", check_integer("tokens", self.tokens, minimum=2))
        object.__setattr__(self, "context", check_integer("context", self.context, minimum=2))
        if self.protocol not in (AUTOMATIC, *PROTOCOLS):
            raise unknown_name("protocol", self.protocol, (AUTOMATIC, *PROTOCOLS))
        if self.corpus == OWN_TEXT and not (self.text or "").strip():
            raise CompressionError("The text of your own is empty: paste some, or name a corpus.")
        if len(self.text or "") > MAX_TEXT:
            raise CompressionError(
                f"The text has {len(self.text or ''):,} characters; at most {MAX_TEXT:,} are used."
            )
