"""The one loop that changes a model: compute every matrix first, swap last."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from compress_lib.allocation import Assignment
from compress_lib.architecture import Site, clone, install, read_weight
from compress_lib.calibration import Statistics, count_rows
from compress_lib.errors import CompressionError
from compress_lib.evaluation.direction import EDGES, RowErrors, histogram, row_errors, summarize
from compress_lib.evaluation.likelihood import perplexity
from compress_lib.matrices import CompressedMatrix
from compress_lib.models import LanguageModel
from compress_lib.progress import Progress, no_progress, span
from compress_lib.results import DirectionRecord, TargetRecord, TokenError

TOKENS_LISTED = 25
SELECTION_TOKENS = 256
"""Calibration tokens on which a method may choose by perplexity: it asks once an epoch."""

TABLES = ("embedding", "head")


@dataclass(frozen=True)
class Compressed:
    """One finished target."""

    record: TargetRecord
    matrix: CompressedMatrix
    direction: DirectionRecord | None


@dataclass(frozen=True)
class Calibration:
    """Calibration text as token blocks; empty where nothing needs it."""

    blocks: tuple[Tensor, ...] = ()

    @property
    def ids(self) -> Tensor:
        """All tokens, one after the other."""
        return torch.cat(self.blocks) if self.blocks else torch.empty(0, dtype=torch.long)

    @property
    def selection(self) -> list[Tensor]:
        """The first blocks, as many as `SELECTION_TOKENS` fill."""
        ids = self.ids[:SELECTION_TOKENS]
        return [ids] if len(ids) >= 2 else []


def compress_model(
    model: LanguageModel,
    assignments: Sequence[Assignment],
    *,
    calibration: Calibration | None = None,
    progress: Progress = no_progress,
) -> Generator[Compressed, None, LanguageModel]:
    """Compress a model's weights one by one; the model itself is never changed.

    Args:
        model: The baseline.
        assignments: What happens to which target, from `allocate`.
        calibration: Tokens for the methods that need statistics.
        progress: Told about every target and a method's own progress.

    Yields:
        Each target as it is finished.

    Returns:
        A clone of the model that shares all weights that were not compressed.

    Raises:
        CompressionError: A weight is not finite, a statistic is missing, or a method fails; the
            message names the target.
    """
    sites = {site.target.name: site for site in model.sites}
    text = calibration or Calibration()
    matrices: dict[str, CompressedMatrix] = {}
    weights = [assignment.target.nbytes for assignment in assignments]
    for index, assignment in enumerate(assignments):
        start, end = sum(weights[:index]) / sum(weights), sum(weights[: index + 1]) / sum(weights)
        part = span(progress, start, end)
        part(0.0, f"{assignment.target.name}: {assignment.method.label}")
        with _named(assignment):
            done = _compress_target(model, sites[assignment.target.name], assignment, text, part)
        matrices[assignment.target.name] = done.matrix
        yield done
    return with_matrices(model, matrices)


def compress_at_once(
    model: LanguageModel,
    assignments: Sequence[Assignment],
    *,
    calibration: Calibration | None = None,
    progress: Progress = no_progress,
) -> tuple[list[Compressed], LanguageModel]:
    """Do all of `compress_model`, and return the finished targets and the compressed model."""
    steps = compress_model(model, assignments, calibration=calibration, progress=progress)
    done: list[Compressed] = []
    while True:
        try:
            done.append(next(steps))
        except StopIteration as end:
            return done, end.value


def with_matrices(model: LanguageModel, matrices: dict[str, CompressedMatrix]) -> LanguageModel:
    """Return a clone of a model in which some weights are compressed."""
    module = clone(model.module)
    install(module, model.sites, matrices, model.dtype)
    return replace(model, module=module)


def _compress_target(
    model: LanguageModel,
    site: Site,
    assignment: Assignment,
    text: Calibration,
    progress: Progress,
) -> Compressed:
    weight = read_weight(model.module, site, model.dtype)
    statistics = _statistics(model, assignment, text)
    started = time.perf_counter()
    matrix = assignment.method.compress(
        weight, budget=assignment.budget, statistics=statistics, progress=progress
    )
    seconds = time.perf_counter() - started
    if matrix.nbytes > assignment.budget or matrix.shape != tuple(weight.shape):
        raise AssertionError(f"{assignment.method.name} broke its budget or shape")
    errors = row_errors(weight, matrix)
    counts = None
    if assignment.target.family in TABLES and len(text.ids):
        counts = count_rows(text.ids, weight.shape[0])
    return Compressed(
        _record(assignment, matrix, errors, counts, seconds),
        matrix,
        _direction(model, assignment, errors, counts),
    )


def _statistics(model: LanguageModel, assignment: Assignment, text: Calibration) -> Statistics:
    """Gather only what the method needs."""
    needs = assignment.method.needs
    if not needs:
        return Statistics()
    if not text.blocks:
        raise CompressionError(
            f"{assignment.method.name} needs calibration text ({', '.join(sorted(needs))}); "
            "name one."
        )
    gathered = Statistics(num_tokens=len(text.ids))
    if "row_counts" in needs:
        counts = count_rows(text.ids, assignment.target.shape[0])
        gathered = replace(gathered, row_counts=counts)
    if "perplexity" in needs:

        def measure(matrix: CompressedMatrix) -> float:
            trial = with_matrices(model, {assignment.target.name: matrix})
            return perplexity(trial, text.selection)

        gathered = replace(gathered, perplexity=measure)
    return gathered


def _record(
    assignment: Assignment,
    matrix: CompressedMatrix,
    errors: RowErrors,
    counts: Tensor | None,
    seconds: float,
) -> TargetRecord:
    target = assignment.target
    return TargetRecord(
        names=target.names,
        family=target.family,
        layer=target.layer,
        rows=target.shape[0],
        cols=target.shape[1],
        method=assignment.method.name,
        rank=matrix.rank,
        bytes_before=target.nbytes,
        bytes_after=matrix.nbytes,
        relative_error=errors.relative,
        squared_norm=errors.squared_norm,
        direction_error=summarize(errors.direction, counts),
        seconds=seconds,
        head_dim=target.head_dim,
    )


def _direction(
    model: LanguageModel, assignment: Assignment, errors: RowErrors, counts: Tensor | None
) -> DirectionRecord | None:
    if assignment.target.family not in TABLES:
        return None
    order = errors.direction.argsort(stable=True).tolist()

    def listed(ids: list[int]) -> tuple[TokenError, ...]:
        return tuple(
            TokenError(
                id=row,
                token=str(model.tokenizer.decode([row])) if row < len(model.tokenizer) else "",
                error=float(errors.direction[row]),
                count=int(counts[row]) if counts is not None else None,
            )
            for row in ids
        )

    return DirectionRecord(
        target=assignment.target.name,
        edges=EDGES,
        counts=histogram(errors.direction),
        control_counts=histogram(errors.control),
        worst=listed(order[::-1][:TOKENS_LISTED]),
        best=listed(order[:TOKENS_LISTED]),
    )


@contextmanager
def _named(assignment: Assignment) -> Iterator[None]:
    try:
        yield
    except CompressionError as error:
        if str(error).startswith(assignment.target.name):
            raise
        raise type(error)(f"{assignment.target.name}: {error}") from error
