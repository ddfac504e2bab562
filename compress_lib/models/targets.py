"""What can be compressed: one weight of a model under all its names, and how to point at some.

Knows no torch, so that a page or a command can plan before anything heavy is loaded.
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
"""The families whose rows are tokens."""


@dataclass(frozen=True)
class Target:
    """One weight of a model.

    Attributes:
        names: Every module path that reads this weight; more than one means that it is tied.
        family: Its role, one of `FAMILIES`.
        layer: The index of its block, or None outside the blocks.
        shape: `[rows, cols]` in torch's Linear layout (outputs × inputs; vocabulary × width).
        nbytes: Its bytes in the checkpoint.
        head_dim: Of queries, keys and values, the rows that one attention head has; else None.
    """

    names: tuple[str, ...]
    family: str
    layer: int | None
    shape: tuple[int, int]
    nbytes: int
    head_dim: int | None = None

    @property
    def name(self) -> str:
        """The first of its names."""
        return self.names[0]

    @property
    def tied(self) -> bool:
        """Whether several modules share this weight."""
        return len(self.names) > 1

    @property
    def only_looked_up(self) -> bool:
        """Whether it is a table that multiplies nothing, so that it has no inputs."""
        return self.family == "embedding" and not self.tied

    @property
    def itemsize(self) -> int:
        """Bytes of one number in the checkpoint."""
        return self.nbytes // (self.shape[0] * self.shape[1])

    @property
    def break_even_rank(self) -> int:
        """The largest rank at which two factors are not bigger than the matrix itself."""
        rows, cols = self.shape
        return rows * cols // (rows + cols)


class Selectable(Protocol):
    """Whatever a pattern can be held against."""

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
    """Tell whether a pattern selects a target.

    A pattern is one or several parts with commas between them. A part is `WHICH`, `WHICH@LAYERS`
    or `@LAYERS`: `WHICH` is a family of `FAMILIES`, or a name in which `*` stands for anything;
    `LAYERS` is a number or a range such as `0-5`.

    Raises:
        CompressionError: What follows an `@` is neither a number nor a range.
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
    """Return the targets that a pattern selects.

    Raises:
        CompressionError: It selects none; the message names the nearest name there is.
    """
    chosen = [target for target in targets if matches(target, pattern)]
    if not chosen:
        families = sorted({t.family for t in targets}, key=list(FAMILIES).index)
        names = [name for target in targets for name in target.names]
        which = pattern.partition("@")[0]
        if which == "head" and "embedding" in families:
            raise CompressionError(
                f"This model has no {FAMILIES['head'].lower()} of its own: it writes with the "
                "table that it reads tokens from. Compress that one: embedding."
            )
        if which in FAMILIES or not which:
            layers = {t.layer for t in targets if t.layer is not None}
            where = f"0 to {max(layers)}" if layers else "none"
            raise CompressionError(
                f"The pattern {pattern!r} selects nothing in this model; it has the families "
                f"{', '.join(families)} and layers {where}."
            )
        error = unknown_name("pattern (it selects nothing)", pattern, [*families, *names])
        hint = str(error).partition(" Allowed:")[0]
        raise CompressionError(
            f"{hint} Use a family ({', '.join(families)}), a name with * such as "
            f"'*{names[-1].rsplit('.', 1)[-1]}', and @LAYERS to limit it to layers."
        )
    return chosen


def _in_layers(layer: int | None, layers: str, pattern: str) -> bool:
    found = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", layers.strip())
    if not found:
        raise CompressionError(
            f"The layers in the pattern {pattern!r} must be a number or a range such as 0-5, "
            f"not {layers!r}."
        )
    first, last = int(found[1]), int(found[2] or found[1])
    return layer is not None and first <= layer <= last
