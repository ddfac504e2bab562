"""What compressing a token table did to single tokens: how far they turned, who is near them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from compress_lib.errors import CompressionError
from compress_lib.evaluation.direction import EDGES, histogram
from compress_lib.matrices import CompressedMatrix
from compress_lib.matrices.reconstruction_error import CHUNK, RowErrors, direction_error
from compress_lib.models.surgery import matrix_at, read_weight
from compress_lib.models.targets import TABLES, Target
from compress_lib.results.token_record import (
    DirectionRecord,
    Neighbour,
    TokenError,
    TokenNeighbours,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from compress_lib.models.loading import LanguageModel

LISTED = 25
"""Tokens in each of the lists."""

NEAREST = 5
"""Neighbours of each."""

MOST_ASKED = 12
"""Tokens that are looked up at once."""


def direction_record(
    tokenizer: PreTrainedTokenizerBase,
    target: Target,
    weight: Tensor,
    matrix: CompressedMatrix,
    errors: RowErrors,
    counts: Tensor | None,
) -> DirectionRecord | None:
    """Return what became of a token table, row by row; None for other weights.

    Args:
        tokenizer: Tells which token a row is.
        target: The weight.
        weight: Its values `[rows, cols]`.
        matrix: Its compressed form.
        errors: Of its rows.
        counts: `[rows]`, how often each token was used, if known.
    """
    if target.family not in TABLES:
        return None
    # Rows behind the last token are there for the sake of a round number.
    known = min(len(tokenizer), target.shape[0])
    order = errors.direction[:known].argsort(stable=True).tolist()
    often: list[int] = []
    if counts is not None:
        ranked = counts[:known].argsort(descending=True, stable=True)[:LISTED].tolist()
        often = [row for row in ranked if int(counts[row])]

    def list_errors(ids: list[int]) -> tuple[TokenError, ...]:
        return tuple(
            TokenError(
                id=row,
                token=_text(tokenizer, row),
                error=float(errors.direction[row]),
                count=int(counts[row]) if counts is not None else None,
            )
            for row in ids
        )

    worst, best = order[::-1][:LISTED], order[:LISTED]
    shown = list(dict.fromkeys([*worst, *best, *often]))
    return DirectionRecord(
        target=target.name,
        edges=EDGES,
        counts=histogram(errors.direction),
        control_counts=histogram(errors.control),
        worst=list_errors(worst),
        best=list_errors(best),
        frequent=list_errors(often),
        weighted_counts=histogram(errors.direction, counts) if counts is not None else (),
        neighbours=_neighbours(tokenizer, weight, matrix, shown, known),
    )


def look_up_tokens(
    original: LanguageModel, compressed: LanguageModel, table: str, text: str
) -> tuple[tuple[TokenError, ...], tuple[TokenNeighbours, ...]]:
    """Return what became of the tokens of a text: how far they turned, and who is near them.

    Args:
        original: The baseline.
        compressed: The same model with its table compressed.
        table: The name of the table's target.
        text: Taken as it is, and as it would follow a space, which gives other tokens.

    Raises:
        CompressionError: The text has no token or too many, or the table is as it was.
    """
    tokenizer = original.tokenizer
    site = next(site for site in original.sites if site.target.name == table)
    matrix = matrix_at(compressed.module, site)
    if matrix is None:
        raise CompressionError(f"{table} is as it was in this model.")
    known = min(len(tokenizer), site.target.shape[0])
    asked = [row for row in _spellings(tokenizer, text) if row < known]
    if not asked:
        raise CompressionError(f"{text!r} has no token of this model: type a word.")
    if len(asked) > MOST_ASKED:
        raise CompressionError(
            f"{text!r} has {len(asked)} tokens, as it is and after a space; at most {MOST_ASKED} "
            "are looked up at once. Type less."
        )
    weight = read_weight(original.module, site, original.dtype)
    rows = torch.tensor(asked, device=weight.device)
    with torch.inference_mode():
        errors = direction_error(weight[rows].float(), matrix.lookup(rows).float()).tolist()
    found = [
        TokenError(row, _text(tokenizer, row), error)
        for row, error in zip(asked, errors, strict=True)
    ]
    return tuple(found), _neighbours(tokenizer, weight, matrix, asked, known)


def _spellings(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Return the tokens of a text after a space, where most words stand, and as it is."""
    plain: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    if not text.strip():
        return list(dict.fromkeys(plain))
    spaced: list[int] = tokenizer(f" {text.lstrip()}", add_special_tokens=False)["input_ids"]
    # Some tokenizers make a token of the space itself, for which nobody asked.
    return [row for row in dict.fromkeys([*spaced, *plain]) if _text(tokenizer, row).strip()]


def nearest(
    rows: Callable[[Tensor], Tensor], total: int, ids: Tensor, count: int
) -> tuple[Tensor, Tensor]:
    """Return the rows nearest to some rows of a table by cosine, the nearest first.

    Args:
        rows: Gives the rows `[n, cols]` for row numbers `[n]`; never asked for the whole table.
        total: How many rows the table has.
        ids: `[n]`, which rows; none is its own neighbour.
        count: How many, at most all others.

    Returns:
        Cosines and row numbers, each `[n, count]`.
    """

    def units(chosen: Tensor) -> Tensor:
        return torch.nn.functional.normalize(rows(chosen).float(), dim=1)

    mine = units(ids)
    every = torch.arange(total, device=ids.device)
    cosines = torch.cat([mine @ units(part).T for part in every.split(CHUNK)], dim=1)
    cosines[torch.arange(len(ids)), ids] = -torch.inf
    found = cosines.topk(min(count, total - 1), dim=1)
    return found.values, found.indices


def _neighbours(
    tokenizer: PreTrainedTokenizerBase,
    weight: Tensor,
    matrix: CompressedMatrix,
    ids: list[int],
    known: int,
) -> tuple[TokenNeighbours, ...]:
    if known < 2:
        return ()
    wanted = torch.tensor(ids, device=weight.device)
    with torch.inference_mode():
        both = [
            nearest(rows, known, wanted, NEAREST) for rows in (weight.__getitem__, matrix.lookup)
        ]

    def list_neighbours(values: list[float], rows: list[int]) -> tuple[Neighbour, ...]:
        return tuple(
            Neighbour(_text(tokenizer, row), round(value, 4))
            for value, row in zip(values, rows, strict=True)
        )

    (before, were), (after, are) = ((v.tolist(), i.tolist()) for v, i in both)
    return tuple(
        TokenNeighbours(row, list_neighbours(before[n], were[n]), list_neighbours(after[n], are[n]))
        for n, row in enumerate(ids)
    )


def _text(tokenizer: PreTrainedTokenizerBase, row: int) -> str:
    return str(tokenizer.decode([row]))
