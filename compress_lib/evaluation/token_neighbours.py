"""Nearest neighbours and direction errors of single tokens in a compressed embedding."""

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
"""Tokens in each list of a record."""

NEAREST = 5
"""Neighbours per token."""

MOST_ASKED = 12
"""Maximum number of tokens in one lookup."""


def direction_record(
    tokenizer: PreTrainedTokenizerBase,
    target: Target,
    weight: Tensor,
    matrix: CompressedMatrix,
    errors: RowErrors,
    counts: Tensor | None,
) -> DirectionRecord | None:
    """Return the direction errors of an embedding or LM head; None for other weights.

    Args:
        tokenizer: Maps rows to tokens.
        target: The weight.
        weight: Its values `[rows, cols]`.
        matrix: Its compressed form.
        errors: The errors of its rows.
        counts: `[rows]`, occurrences of each token, if known.
    """
    if target.family not in TABLES:
        return None
    # Rows beyond the last token are padding.
    vocabulary = min(len(tokenizer), target.shape[0])
    order = errors.direction[:vocabulary].argsort(stable=True).tolist()
    frequent = [] if counts is None else _frequent_rows(counts[:vocabulary])

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
    listed = list(dict.fromkeys([*worst, *best, *frequent]))
    return DirectionRecord(
        target=target.name,
        edges=EDGES,
        counts=histogram(errors.direction),
        control_counts=histogram(errors.control),
        worst=list_errors(worst),
        best=list_errors(best),
        frequent=list_errors(frequent),
        weighted_counts=histogram(errors.direction, counts) if counts is not None else (),
        neighbours=_neighbours(tokenizer, weight, matrix, listed, vocabulary),
    )


def _frequent_rows(counts: Tensor) -> list[int]:
    """Return the rows of the most frequent tokens, without those that never occur."""
    ranked = counts.argsort(descending=True, stable=True)[:LISTED].tolist()
    return [row for row in ranked if int(counts[row])]


def look_up_tokens(
    original: LanguageModel, compressed: LanguageModel, table: str, text: str
) -> tuple[tuple[TokenError, ...], tuple[TokenNeighbours, ...]]:
    """Return direction errors and neighbours of the tokens of a text.

    Args:
        original: The baseline.
        compressed: The same model with its embedding compressed.
        table: The name of the embedding's target.
        text: Tokenized with and without a leading space, which gives different tokens.

    Raises:
        CompressionError: The text has no token or too many, or the embedding is not compressed.
    """
    tokenizer = original.tokenizer
    site = next(site for site in original.sites if site.target.name == table)
    matrix = matrix_at(compressed.module, site)
    if matrix is None:
        raise CompressionError(f"{table} is not compressed in this model.")
    vocabulary = min(len(tokenizer), site.target.shape[0])
    ids = [row for row in _token_ids(tokenizer, text) if row < vocabulary]
    if not ids:
        raise CompressionError(f"{text!r} contains no token of this model: enter a word.")
    if len(ids) > MOST_ASKED:
        raise CompressionError(
            f"{text!r} has {len(ids)} tokens, with and without a leading space; at most "
            f"{MOST_ASKED} can be looked up at once. Enter less text."
        )
    weight = read_weight(original.module, site, original.dtype)
    rows = torch.tensor(ids, device=weight.device)
    with torch.inference_mode():
        errors = direction_error(weight[rows].float(), matrix.lookup(rows).float()).tolist()
    token_errors = [
        TokenError(row, _text(tokenizer, row), error)
        for row, error in zip(ids, errors, strict=True)
    ]
    return tuple(token_errors), _neighbours(tokenizer, weight, matrix, ids, vocabulary)


def _token_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Return the tokens of a text with a leading space, as most words occur, and without."""
    plain: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    if not text.strip():
        return list(dict.fromkeys(plain))
    spaced: list[int] = tokenizer(f" {text.lstrip()}", add_special_tokens=False)["input_ids"]
    # Some tokenizers emit a separate token for the space.
    return [row for row in dict.fromkeys([*spaced, *plain]) if _text(tokenizer, row).strip()]


def nearest(
    rows: Callable[[Tensor], Tensor], total: int, ids: Tensor, count: int
) -> tuple[Tensor, Tensor]:
    """Return the nearest rows by cosine similarity, nearest first.

    Args:
        rows: Returns the rows `[n, cols]` for row indices `[n]`; called in chunks.
        total: The number of rows of the matrix.
        ids: The query rows `[n]`; a row is not its own neighbour.
        count: Neighbours per row, at most `total − 1`.

    Returns:
        Cosines and row indices, each `[n, count]`.
    """

    def units(chosen: Tensor) -> Tensor:
        return torch.nn.functional.normalize(rows(chosen).float(), dim=1)

    queries = units(ids)
    all_ids = torch.arange(total, device=ids.device)
    cosines = torch.cat([queries @ units(part).T for part in all_ids.split(CHUNK)], dim=1)
    cosines[torch.arange(len(ids)), ids] = -torch.inf
    top = cosines.topk(min(count, total - 1), dim=1)
    return top.values, top.indices


def _neighbours(
    tokenizer: PreTrainedTokenizerBase,
    weight: Tensor,
    matrix: CompressedMatrix,
    ids: list[int],
    vocabulary: int,
) -> tuple[TokenNeighbours, ...]:
    if vocabulary < 2:
        return ()
    queries = torch.tensor(ids, device=weight.device)
    with torch.inference_mode():
        both = [
            nearest(rows, vocabulary, queries, NEAREST)
            for rows in (weight.__getitem__, matrix.lookup)
        ]

    def list_neighbours(values: list[float], rows: list[int]) -> tuple[Neighbour, ...]:
        return tuple(
            Neighbour(_text(tokenizer, row), round(value, 4))
            for value, row in zip(values, rows, strict=True)
        )

    before, after = (
        [list_neighbours(*pair) for pair in zip(values.tolist(), indices.tolist(), strict=True)]
        for values, indices in both
    )
    return tuple(TokenNeighbours(*row) for row in zip(ids, before, after, strict=True))


def _text(tokenizer: PreTrainedTokenizerBase, row: int) -> str:
    return str(tokenizer.decode([row]))
