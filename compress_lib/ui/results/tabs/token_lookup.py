"""Token lookup: direction error and nearest neighbours of any word's tokens in a run."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from compress_lib.errors import CompressionError
from compress_lib.results.records import RunRecord
from compress_lib.results.token_record import TokenError, TokenNeighbours
from compress_lib.ui.common import html, texts
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.engine.status import wait_for
from compress_lib.utils.progress import Event, Report

if TYPE_CHECKING:
    from compress_lib.models.loading import LanguageModel

LONGEST = 80
"""Maximum number of characters of a word."""

Rows = list[list[str | float]]


def look_up_word(
    engine: Engine, record: RunRecord, word: Any
) -> Generator[tuple[str, Rows | None], None, None]:
    """Look up the tokens of a word.

    Args:
        engine: Provides the compressed model from its cache, or recomputes it.
        record: The run.
        word: The user's input, unvalidated.

    Yields:
        The status as HTML and None; finally with the rows of the token table.

    Raises:
        CompressionError: The word is invalid, the run does not compress the embedding, or the
            model is not available.
    """
    direction = record.direction
    if direction is None:
        raise CompressionError(texts.NO_DIRECTION)
    if not isinstance(word, str) or not word.strip():
        raise CompressionError(texts.TOKEN_NOTHING)
    if len(word) > LONGEST:
        raise CompressionError(texts.TOKEN_LONG.format(most=LONGEST))
    try:
        word.encode()
    except UnicodeEncodeError as error:
        raise CompressionError(texts.TOKEN_NOTHING) from error
    table = direction.target
    results: list[tuple[tuple[TokenError, ...], tuple[TokenNeighbours, ...]]] = []

    def task(original: LanguageModel, model: LanguageModel, report: Report) -> None:
        from compress_lib.evaluation.token_neighbours import look_up_tokens

        report(Event(0.0, texts.TOKEN_LOOKING))
        results.append(look_up_tokens(original, model, table, word))

    yield from wait_for(engine.queue, engine.submit_with_models(record, task))
    ((asked, near),) = results
    message = texts.TOKEN_FOUND.format(word=word)
    yield html.status(message), html.token_rows(direction, asked, near)
