"""The one loop that changes a model: compute every matrix first, swap last."""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from compress_lib.allocation import Assignment
from compress_lib.architecture import Site, clone, install, read_weight
from compress_lib.automatic import Allocation, share_assignments
from compress_lib.calibration import GATHERED, Statistics, count_rows, stacked
from compress_lib.calibration_text import Calibration
from compress_lib.errors import CompressionError
from compress_lib.evaluation.direction import direction_record, row_errors
from compress_lib.evaluation.likelihood import perplexity
from compress_lib.gathering import gather
from compress_lib.loss_curves import Point
from compress_lib.matrices import CompressedMatrix
from compress_lib.matrices.transposed import TransposedMatrix
from compress_lib.models import LanguageModel
from compress_lib.progress import Progress, no_progress, span
from compress_lib.recording import shared_out, target_record
from compress_lib.results import DirectionRecord, TargetRecord
from compress_lib.targets import TABLES

GATHERING = 0.5
"""The share of compressing that gathering statistics takes, where something is gathered."""


SHARING = 0.3
"""The share of the whole that sharing bytes out takes, where that is to be done."""


@dataclass(frozen=True)
class Compressed:
    """One finished target."""

    record: TargetRecord
    matrix: CompressedMatrix
    direction: DirectionRecord | None


def share_bytes(
    model: LanguageModel,
    assignments: Sequence[Assignment],
    calibration: Calibration | None = None,
    progress: Progress = no_progress,
) -> Allocation:
    """Share out the bytes of rules that want it, by estimated loss; see `automatic`.

    Args:
        model: The baseline.
        assignments: From `allocate`; those that are decided stay as they are.
        calibration: Tokens that tell the curvature.
        progress: Told about the text, and about every target.

    Raises:
        CompressionError: There is no text, or a rule keeps too little.
    """
    text = calibration or Calibration()
    open_ones = [assignment for assignment in assignments if assignment.undecided]
    if not open_ones:
        return Allocation(list(assignments))
    for assignment in open_ones:
        _check_text(assignment, text)
    known = gather(model, _gathered_needs(open_ones), text, span(progress, 0.0, GATHERING))

    def curve_of(assignment: Assignment, tell: Progress) -> list[Point]:
        sites = _sites(model, assignment)
        weight = _stack(model, sites, columns=assignment.columns)
        with _named(assignment):
            statistics = _statistics(model, assignment, text, known)
            return assignment.method.curve(weight, statistics, tell)

    return share_assignments(assignments, curve_of, span(progress, GATHERING, 1.0))


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
        Each target as it is finished; those of a group follow each other.

    Returns:
        A clone of the model that shares all weights that were not compressed.

    Raises:
        CompressionError: A weight is not finite, a statistic is missing, or a method fails; the
            message names the target.
    """
    text = calibration or Calibration()
    for assignment in assignments:
        _check_text(assignment, text)
        if assignment.undecided:
            raise AssertionError(f"{assignment.name}: its bytes are to be shared out first")
    needs = _gathered_needs(assignments)
    begin = GATHERING if needs else 0.0
    known = gather(model, needs, text, span(progress, 0.0, begin)) if needs else {}
    matrices: dict[str, CompressedMatrix] = {}
    weights = [assignment.nbytes for assignment in assignments]
    for index, assignment in enumerate(assignments):
        start, end = sum(weights[:index]) / sum(weights), sum(weights[: index + 1]) / sum(weights)
        part = span(progress, begin + (1 - begin) * start, begin + (1 - begin) * end)
        part(0.0, f"{assignment.name}: {assignment.method.label}")
        with _named(assignment):
            members = _compress(model, assignment, text, known, part)
        for done in members:
            matrices[done.record.names[0]] = done.matrix
            yield done
    return with_matrices(model, matrices, _input_only(assignments))


def compress_at_once(
    model: LanguageModel,
    assignments: Sequence[Assignment],
    *,
    calibration: Calibration | None = None,
    progress: Progress = no_progress,
) -> tuple[list[Compressed], LanguageModel]:
    """Do `share_bytes` and `compress_model`; return the finished targets and the model."""
    shared = share_bytes(model, assignments, calibration, span(progress, 0.0, SHARING))
    part = span(progress, SHARING, 1.0)
    steps = compress_model(model, shared.assignments, calibration=calibration, progress=part)
    done: list[Compressed] = []
    while True:
        try:
            done.append(next(steps))
        except StopIteration as end:
            return done, end.value


def with_matrices(
    model: LanguageModel,
    matrices: dict[str, CompressedMatrix],
    input_only: Collection[str] = (),
) -> LanguageModel:
    """Return a clone of a model in which some weights are compressed; see `install`."""
    module = clone(model.module)
    install(module, model.sites, matrices, model.dtype, input_only)
    return replace(model, module=module)


def _input_only(assignments: Sequence[Assignment]) -> set[str]:
    """Return the tied tables of which only the input end is replaced."""
    return {
        target.name
        for assignment in assignments
        for target in assignment.targets
        if assignment.keeps_original and target.tied
    }


def _compress(
    model: LanguageModel,
    assignment: Assignment,
    text: Calibration,
    known: Mapping[str, Statistics],
    progress: Progress,
) -> list[Compressed]:
    """Compress the stack of an assignment, and take it apart again."""
    members = _sites(model, assignment)
    weight = _stack(model, members, columns=assignment.columns)
    statistics = _statistics(model, assignment, text, known)
    started = time.perf_counter()
    whole = assignment.method.compress(
        weight, budget=assignment.budget, statistics=statistics, progress=progress
    )
    seconds = (time.perf_counter() - started) / len(members)
    parts = _take_apart(assignment, whole)
    nbytes = shared_out(parts)
    if sum(nbytes) > assignment.budget or whole.shape != tuple(weight.shape):
        raise AssertionError(f"{assignment.method.name} broke its budget or shape")
    _own_biases(model, members, parts, known)
    beside = _input_only([assignment])
    done = []
    for site, matrix, size in zip(members, parts, nbytes, strict=True):
        errors = row_errors(read_weight(model.module, site, model.dtype), matrix)
        counts = None
        if site.target.family in TABLES and len(text.ids):
            counts = count_rows(text.ids, site.target.shape[0])
        record = target_record(
            assignment,
            site.target,
            matrix,
            errors,
            counts=counts,
            # Where the output keeps the original, both are stored.
            nbytes=size + (site.target.nbytes if site.target.name in beside else 0),
            seconds=seconds,
        )
        direction = direction_record(model.tokenizer, site.target, errors, counts)
        done.append(Compressed(record, matrix, direction))
    return done


def _gathered_needs(assignments: Sequence[Assignment]) -> dict[str, frozenset[str]]:
    """Return what has to be gathered, by target."""
    needs = {t.name: a.needs_for(t) & GATHERED for a in assignments for t in a.targets}
    return {name: kinds for name, kinds in needs.items() if kinds}


def _sites(model: LanguageModel, assignment: Assignment) -> list[Site]:
    sites = {site.target.name: site for site in model.sites}
    return [sites[target.name] for target in assignment.targets]


def _stack(model: LanguageModel, sites: Sequence[Site], *, columns: bool) -> Tensor:
    weights = [read_weight(model.module, site, model.dtype) for site in sites]
    if len(weights) == 1 and not columns:
        return weights[0]
    return torch.cat([weight.T if columns else weight for weight in weights]).contiguous()


def _take_apart(assignment: Assignment, whole: CompressedMatrix) -> list[CompressedMatrix]:
    """Return each target's matrix; what the method trained with is told by the first."""
    if len(assignment.targets) == 1:
        return [whole.transposed() if assignment.columns else whole]
    along = 1 if assignment.columns else 0
    parts = whole.split_rows([target.shape[along] for target in assignment.targets])
    if assignment.columns:
        # The wrapper, and not factors of each one's own: what is shared must stay so.
        parts = [TransposedMatrix(part) for part in parts]
    parts[0].history = whole.history
    return parts


def _own_biases(
    model: LanguageModel,
    sites: Sequence[Site],
    parts: Sequence[CompressedMatrix],
    known: Mapping[str, Statistics],
) -> None:
    """Give each member of a group the bias that keeps its own mean output, not the group's."""
    if len(parts) == 1:
        return
    for site, part in zip(sites, parts, strict=True):
        if part.bias is None:
            continue
        mean = known[site.target.name].require("mean").to(part.bias.device).double()
        weight = read_weight(model.module, site, model.dtype).double()
        missing = (weight - part.dense().double()) @ mean
        part.bias.data = missing.to(part.dtype).to(part.bias.dtype)


def _check_text(assignment: Assignment, text: Calibration) -> None:
    needs = assignment.needs
    if needs and not text.blocks:
        raise CompressionError(
            f"{assignment.name}: {assignment.method.name} needs calibration text "
            f"({', '.join(sorted(needs))}); name one."
        )


def _statistics(
    model: LanguageModel, assignment: Assignment, text: Calibration, known: Mapping[str, Statistics]
) -> Statistics:
    """Return only what the method needs."""
    needs = assignment.needs
    if not needs:
        return Statistics()
    members = [known.get(target.name, Statistics()) for target in assignment.targets]
    found = replace(stacked(members), num_tokens=len(text.ids))
    if "row_counts" in needs:
        rows = sum(target.shape[0] for target in assignment.targets)
        found = replace(found, row_counts=count_rows(text.ids, rows))
    if "perplexity" in needs:

        def measure(matrix: CompressedMatrix) -> float:
            parts = _take_apart(assignment, matrix)
            names = [target.name for target in assignment.targets]
            matrices = dict(zip(names, parts, strict=True))
            trial = with_matrices(model, matrices, _input_only([assignment]))
            return perplexity(trial, text.selection)

        found = replace(found, perplexity=measure)
    return found


@contextmanager
def _named(assignment: Assignment) -> Iterator[None]:
    try:
        yield
    except CompressionError as error:
        if str(error).startswith(assignment.name):
            raise
        raise type(error)(f"{assignment.name}: {error}") from error
