"""Compressor of one assignment: weights, statistics, compressed matrices and records."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain

from torch import Tensor

from compress_lib.compression.output_matching import PairedInputs, match_outputs
from compress_lib.compression.stacking import (
    input_only,
    read_weights,
    stack,
    unstack,
    with_matrices,
)
from compress_lib.compression.target_records import bytes_per_part, target_record
from compress_lib.data.calibration_text import Calibration
from compress_lib.errors import CompressionError
from compress_lib.evaluation.likelihood import perplexity
from compress_lib.evaluation.token_neighbours import direction_record
from compress_lib.matrices import CompressedMatrix
from compress_lib.matrices.reconstruction_error import row_errors
from compress_lib.methods.rate_distortion import OperatingPoint
from compress_lib.methods.statistics import Statistics, count_rows, stack_statistics
from compress_lib.models.loading import LanguageModel
from compress_lib.models.targets import TABLES, Target
from compress_lib.plan.allocation import Assignment
from compress_lib.results.target_record import TargetRecord
from compress_lib.results.token_record import DirectionRecord
from compress_lib.utils.parallel import WorkItem, map_ordered
from compress_lib.utils.progress import Event, Report

SMALL = 4_000_000
"""Maximum entries of a weight that is compressed in parallel with others, on one core."""


@dataclass(frozen=True)
class CompressedTarget:
    """A compressed weight with its record."""

    record: TargetRecord
    matrix: CompressedMatrix
    direction: DirectionRecord | None


@dataclass(frozen=True)
class CompressedInputs:
    """Context of sequential compression: the model compressed so far.

    Attributes:
        inputs: The inputs of the assignment's layer in both models.
        matrices: The matrices compressed so far, by target.
    """

    inputs: PairedInputs
    matrices: Mapping[str, CompressedMatrix]


@dataclass(frozen=True)
class TargetCompressor:
    """Compressor of a model's assignments.

    Attributes:
        model: The baseline; it is not changed.
        text: The calibration text.
        known: Statistics by target.
    """

    model: LanguageModel
    text: Calibration
    known: Mapping[str, Statistics]

    def work_items(self, assignments: Sequence[Assignment]) -> list[WorkItem[Assignment]]:
        """Return assignments as work items; small ones on the CPU may run in parallel."""
        return [
            WorkItem(assignment, assignment.nbytes, self._is_exclusive(assignment))
            for assignment in assignments
        ]

    def _is_exclusive(self, assignment: Assignment) -> bool:
        runs_model = "perplexity" in assignment.required_statistics
        large = assignment.shape[0] * assignment.shape[1] > SMALL
        on_accelerator = self.model.device.type != "cpu"
        return assignment.method.iterative or runs_model or large or on_accelerator

    def curve(self, assignment: Assignment, report: Report) -> list[OperatingPoint]:
        """Return the rate-distortion curve of an assignment's weight; see `Method.curve`.

        Args:
            assignment: The assignment.
            report: Receives progress events; may raise `StoppedError`.
        """
        report(Event(0.0, f"{assignment.name}: {assignment.method.label}, loss curve"))
        weight = stack(read_weights(self.model, assignment), columns=assignment.columns)
        with name_errors(assignment):
            statistics = self._statistics(assignment, {})
            return assignment.method.curve(weight, statistics, report)

    def compress(
        self, assignment: Assignment, report: Report, context: CompressedInputs | None = None
    ) -> list[CompressedTarget]:
        """Compress the stack of an assignment and split the result by target.

        Args:
            assignment: The assignment, with its budget.
            report: Receives progress events; may raise `StoppedError`.
            context: The model compressed so far, for sequential compression.

        Raises:
            CompressionError: The method fails; the message names the assignment.
        """
        report(Event(0.0, f"{assignment.name}: {assignment.method.label}"))
        weights = adapted = read_weights(self.model, assignment)
        with name_errors(assignment):
            statistics = self._statistics(assignment, context.matrices if context else {})
            if context is not None:
                inputs = context.inputs
                adapted = [match_outputs(weight, inputs) for weight in weights]
                # The average, because the original moments come from far more tokens.
                statistics = statistics.averaged_with(inputs.second_moment, inputs.mean)
            started = time.perf_counter()
            whole = assignment.method.compress(
                stack(adapted, columns=assignment.columns),
                assignment.preview,
                statistics,
                report,
            )
            seconds = time.perf_counter() - started
        parts = unstack(assignment, whole)
        if sum(bytes_per_part(parts)) > assignment.budget or whole.shape != assignment.shape:
            raise AssertionError(f"{assignment.method.name} violated its budget or shape")
        self._set_biases(assignment, weights, parts, context)
        return self._measure(assignment, weights, parts, seconds, report)

    def compress_all(
        self, assignments: Sequence[Assignment], report: Report
    ) -> Generator[CompressedTarget, None, None]:
        """Yield the targets of all assignments in order; see `compress` and `map_ordered`.

        Args:
            assignments: The assignments, with their budgets.
            report: Receives progress events; may raise `StoppedError`.
        """
        with closing(map_ordered(self.compress, self.work_items(assignments), report)) as steps:
            yield from chain.from_iterable(steps)

    def _measure(
        self,
        assignment: Assignment,
        weights: Sequence[Tensor],
        parts: Sequence[CompressedMatrix],
        seconds: float,
        report: Report,
    ) -> list[CompressedTarget]:
        """Measure the errors of each part and build its record."""
        dense_head = input_only([assignment])
        done = []
        members = zip(assignment.targets, weights, parts, bytes_per_part(parts), strict=True)
        for target, weight, matrix, size in members:
            report(Event(1.0, f"{target.name}: row errors"))
            # The page compares only rows of embeddings with noise of the same norm.
            errors = row_errors(weight, matrix, control=target.family in TABLES)
            counts = self._counts(target)
            record = target_record(
                assignment,
                target,
                matrix,
                errors,
                counts=counts,
                # If the LM head keeps the original, both are stored.
                nbytes=size + (target.nbytes if target.name in dense_head else 0),
                seconds=seconds / len(parts),
            )
            report(Event(1.0, f"{target.name}: row directions"))
            direction = direction_record(
                self.model.tokenizer, target, weight, matrix, errors, counts
            )
            done.append(CompressedTarget(record, matrix, direction))
        return done

    def _counts(self, target: Target) -> Tensor | None:
        if target.family not in TABLES or not len(self.text.token_ids):
            return None
        return count_rows(self.text.token_ids, target.shape[0])

    def _set_biases(
        self,
        assignment: Assignment,
        weights: Sequence[Tensor],
        parts: Sequence[CompressedMatrix],
        context: CompressedInputs | None,
    ) -> None:
        """Set the bias of each part to preserve the mean output of its original weight.

        A method sees the mean of the whole group only, and not the original inputs.
        """
        if len(parts) == 1 and context is None:
            return
        for target, weight, part in zip(assignment.targets, weights, parts, strict=True):
            if part.bias is None:
                continue
            if context is not None:
                original_mean, mean = context.inputs.original_mean, context.inputs.mean
            else:
                original_mean = mean = self.known[target.name].require("mean")
            device = part.bias.device
            original_output = weight.to(device).double() @ original_mean.to(device).double()
            bias = original_output - part.to_dense().double() @ mean.to(device).double()
            part.bias.data = bias.to(part.dtype).to(part.bias.dtype)

    def _statistics(
        self, assignment: Assignment, before: Mapping[str, CompressedMatrix]
    ) -> Statistics:
        """Return the statistics that the assignment needs."""
        needs = assignment.required_statistics
        if not needs:
            return Statistics()
        members = [self.known.get(target.name, Statistics()) for target in assignment.targets]
        statistics = replace(stack_statistics(members), num_tokens=len(self.text.token_ids))
        if "row_counts" in needs:
            rows = sum(target.shape[0] for target in assignment.targets)
            statistics = replace(statistics, row_counts=count_rows(self.text.token_ids, rows))
        if "perplexity" in needs:

            def measure(matrix: CompressedMatrix) -> float:
                parts = unstack(assignment, matrix)
                names = [target.name for target in assignment.targets]
                matrices = {**before, **dict(zip(names, parts, strict=True))}
                trial = with_matrices(self.model, matrices, input_only([assignment]))
                return perplexity(trial, self.text.selection_examples)

            statistics = replace(statistics, perplexity=measure)
        return statistics


def check_text(assignment: Assignment, text: Calibration) -> None:
    """Refuse an assignment that needs calibration text if there is none.

    Args:
        assignment: The assignment.
        text: The calibration text; may be empty.

    Raises:
        CompressionError: The assignment needs calibration text, and it is empty.
    """
    needs = assignment.required_statistics
    if needs and not text.examples:
        raise CompressionError(
            f"{assignment.name}: {assignment.method.name} needs calibration text "
            f"({', '.join(sorted(needs))}), but none was given."
        )


@contextmanager
def name_errors(assignment: Assignment) -> Iterator[None]:
    """Prefix the message of a `CompressionError` with the assignment's name."""
    try:
        yield
    except CompressionError as error:
        if str(error).startswith(assignment.name):
            raise
        raise type(error)(f"{assignment.name}: {error}") from error
