"""Targets (compressible weights) and the patterns that select them.

Does not import torch, so that the page and the command line can plan before it is loaded.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from compress_lib.errors import CompressionError, unknown_name

FAMILIES = {
    "embedding": "Embedding",
    "head": "LM head",
    "query": "Query",
    "key": "Key",
    "value": "Value",
    "attention_output": "Output projection",
    "ffn_gate": "FFN gate",
    "ffn_in": "FFN up",
    "ffn_out": "FFN down",
    "other": "Other",
}
"""The roles a weight can have, with their labels, in the order of the forward pass."""

TABLES = ("embedding", "head")
"""Families whose matrices have one row per token."""


@dataclass(frozen=True)
class Target:
    """One compressible weight matrix of a model.

    Attributes:
        names: Paths of all modules that use this weight; more than one if it is tied.
        family: Its role, one of `FAMILIES`.
        layer: Index of its transformer block, or None outside the blocks.
        shape: `[rows, cols]` in torch's Linear layout (outputs × inputs; vocabulary × width).
        nbytes: Its bytes in the checkpoint.
        head_dim: Rows per attention head of query, key and value weights; else None.
    """

    names: tuple[str, ...]
    family: str
    layer: int | None
    shape: tuple[int, int]
    nbytes: int
    head_dim: int | None = None

    @property
    def name(self) -> str:
        """The first module path."""
        return self.names[0]

    @property
    def tied(self) -> bool:
        """Whether several modules share this weight."""
        return len(self.names) > 1

    @property
    def only_looked_up(self) -> bool:
        """Whether it is an untied embedding, which multiplies no inputs."""
        return self.family == "embedding" and not self.tied

    @property
    def itemsize(self) -> int:
        """Bytes of a number in the checkpoint."""
        return self.nbytes // (self.shape[0] * self.shape[1])

    @property
    def break_even_rank(self) -> int:
        """The largest rank at which two factors are no larger than the matrix itself."""
        rows, cols = self.shape
        return rows * cols // (rows + cols)


class Selectable(Protocol):
    """Anything that a pattern can select."""

    @property
    def names(self) -> tuple[str, ...]:
        """See `Target.names`."""

    @property
    def family(self) -> str:
        """See `Target.family`."""

    @property
    def layer(self) -> int | None:
        """See `Target.layer`."""


def matches(target: Selectable, pattern: str) -> bool:
    """Return whether a pattern selects a target.

    A pattern is a comma-separated list of parts. A part is `WHICH`, `WHICH@LAYERS` or `@LAYERS`:
    `WHICH` is a family of `FAMILIES`, or a module path in which `*` matches anything; `LAYERS` is
    a number or a range such as `0-5`.

    Args:
        target: The weight, or anything with names, a family and a layer.
        pattern: The pattern.

    Raises:
        CompressionError: `LAYERS` is neither a number nor a range.
    """
    return any(_matches_part(target, part) for part in pattern.split(","))


def _matches_part(target: Selectable, pattern: str) -> bool:
    which, at, layers = pattern.strip().partition("@")
    if at and not _in_layers(target.layer, layers, pattern):
        return False
    if which in ("", "*") or which in FAMILIES:
        return which in ("", "*", target.family)
    return any(
        fnmatch.fnmatchcase(name, which) or fnmatch.fnmatchcase(f"{name}.weight", which)
        for name in target.names
    )


def select(targets: Sequence[Target], pattern: str) -> list[Target]:
    """Return the targets that a pattern selects; see `matches`.

    Args:
        targets: All targets of a model.
        pattern: The pattern.

    Raises:
        CompressionError: It selects none; the message names the nearest valid name.
    """
    chosen = [target for target in targets if matches(target, pattern)]
    if not chosen:
        families = sorted({t.family for t in targets}, key=list(FAMILIES).index)
        names = [name for target in targets for name in target.names]
        which = pattern.partition("@")[0]
        if which == "head" and "embedding" in families:
            raise CompressionError(
                f"This model has no separate {FAMILIES['head']}: it is tied to the embedding. Use "
                "the pattern 'embedding'."
            )
        if which in FAMILIES or not which:
            layers = {t.layer for t in targets if t.layer is not None}
            existing = f"0 to {max(layers)}" if layers else "none"
            raise CompressionError(
                f"The pattern {pattern!r} selects nothing in this model, which has the families "
                f"{', '.join(families)} and layers {existing}."
            )
        error = str(unknown_name("pattern", pattern, [*families, *names]))
        hint = error.partition(" Allowed:")[0].removeprefix(f"Unknown pattern {pattern!r}.")
        raise CompressionError(
            f"The pattern {pattern!r} selects nothing in this model.{hint} Use a family "
            f"({', '.join(families)}) or a module name with *, such as "
            f"'*{names[-1].rsplit('.', 1)[-1]}', and add @LAYERS to restrict it to some layers."
        )
    return chosen


def _in_layers(layer: int | None, layers: str, pattern: str) -> bool:
    match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", layers.strip())
    if not match:
        raise CompressionError(
            f"The layers in the pattern {pattern!r} must be a number or a range such as 0-5, "
            f"not {layers!r}."
        )
    first, last = int(match[1]), int(match[2] or match[1])
    return layer is not None and first <= layer <= last
