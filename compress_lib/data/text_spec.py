"""Text specification of a plan: corpus, number of tokens, context and protocol.

Does not import torch, because plans must load quickly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from compress_lib.errors import CompressionError, check_integer, unknown_name

STRICT: Any = {"extra": "forbid"}
"""Pydantic configuration for reading plans: unknown fields are errors."""

MAX_TEXT = 200_000
"""Maximum characters of a custom text."""

QUICK_TOKENS = 4096
"""Calibration tokens for a quick run: statistics take a minute or two instead of ten."""

OWN_TEXT = "own"
"""Corpus name of a custom text that the plan itself contains."""

AUTOMATIC = "automatic"
"""Selects the default protocol of the kind of model."""

PROTOCOLS = {"causal": "causal", "whole_word": "masked", "pseudo": "masked"}
"""Perplexity protocols, with the kind of model that each is for; see `data.masking`."""

USUAL_PROTOCOLS = {"causal": "causal", "masked": "whole_word"}
"""The protocol that `automatic` selects, by the kind of model."""


@dataclass(frozen=True, kw_only=True)
class TextSpec:
    """Specification of an evaluation or calibration text.

    Attributes:
        corpus: A name in `CORPORA`, the path of a text file, or `own`.
        tokens: Number of leading tokens to use; a maximum for calibration text, custom text and
            lines of masked models.
        context: Tokens per block; blocks are independent of each other.
        protocol: One of `PROTOCOLS`, or `automatic`.
        text: The text itself, if the corpus is `own`.
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
            raise CompressionError("The custom text is empty: paste some text, or choose a corpus.")
        if len(self.text or "") > MAX_TEXT:
            raise CompressionError(
                f"The text has {len(self.text or ''):,} characters; at most {MAX_TEXT:,} are "
                "allowed."
            )
