"""One assignment: its weights, what is known of them, its matrices and what the record says."""

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
"""Numbers of a weight that is worked on beside others: one core is enough for it."""


@dataclass(frozen=True)
class CompressedTarget:
    """One finished target."""

    record: TargetRecord
    matrix: CompressedMatrix
    direction: DirectionRecord | None


@dataclass(frozen=True)
class CompressedInputs:
    """What an assignment is compressed in, where that is not the original model.

    Attributes:
        inputs: What its layer gets.
        matrices: By target, what was compressed before.
    """

    inputs: PairedInputs
    matrices: Mapping[str, CompressedMatrix]


@dataclass(frozen=True)
class TargetCompressor:
    """What every assignment of a model is worked on with.

    Attributes:
        model: The baseline; it is not changed.
        text: The calibration text.
        known: Statistics by target.
    """

    model: LanguageModel
    text: Calibration
    known: Mapping[str, Statistics]

    def work_items(self, assignments: Sequence[Assignment]) -> list[WorkItem[Assignment]]:
        """Return assignments as pieces of work, of which small ones may be done at once."""
        return [
            WorkItem(assignment, assignment.nbytes, self._alone(assignment))
            for assignment in assignments
        ]

    def _alone(self, assignment: Assignment) -> bool:
        runs_model = "perplexity" in assignment.required_statistics
        large = assignment.shape[0] * assignment.shape[1] > SMALL
        elsewhere = self.model.device.type != "cpu"
        return assignment.method.iterative or runs_model or large or elsewhere

    def curve(self, assignment: Assignment, report: Report) -> list[OperatingPoint]:
        """Return what an assignment's weight could be stored as; see `Method.curve`."""
        report(Event(0.0, f"{assignment.name}: {assignment.method.label}, estimated loss by bytes"))
        weight = stack(read_weights(self.model, assignment), columns=assignment.columns)
        with name_errors(assignment):
            statistics = self._statistics(assignment, {})
            return assignment.method.curve(weight, statistics, report)

    def compress(
        self, assignment: Assignment, report: Report, around: CompressedInputs | None = None
    ) -> list[CompressedTarget]:
        """Compress the stack of an assignment, and take it apart again.

        Raises:
            CompressionError: The method fails; the message names the assignment.
        """
        report(Event(0.0, f"{assignment.name}: {assignment.method.label}"))
        weights = used = read_weights(self.model, assignment)
        with name_errors(assignment):
            statistics = self._statistics(assignment, around.matrices if around else {})
            if around is not None:
                used = [match_outputs(weight, around.inputs) for weight in weights]
                inputs = around.inputs
                # Both, because the original ones are of far more tokens.
                statistics = statistics.averaged_with(inputs.second_moment, inputs.mean)
            started = time.perf_counter()
            whole = assignment.method.compress(
                stack(used, columns=assignment.columns),
                assignment.preview,
                statistics,
                report,
            )
            seconds = time.perf_counter() - started
        parts = unstack(assignment, whole)
        if sum(bytes_per_part(parts)) > assignment.budget or whole.shape != assignment.shape:
            raise AssertionError(f"{assignment.method.name} broke its budget or shape")
        self._own_biases(assignment, weights, parts, around)
        return self._measure(assignment, weights, parts, seconds, report)

    def compress_all(
        self, assignments: Sequence[Assignment], report: Report
    ) -> Generator[CompressedTarget, None, None]:
        """Yield the parts of every assignment in order; see `compress` and `map_ordered`."""
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
        """Measure each part against the original weight."""
        beside = input_only([assignment])
        done = []
        members = zip(assignment.targets, weights, parts, bytes_per_part(parts), strict=True)
        for target, weight, matrix, size in members:
            report(Event(1.0, f"{target.name}: errors of its rows"))
            # Only of token tables every row is shown, beside noise as large as its error.
            errors = row_errors(weight, matrix, control=target.family in TABLES)
            counts = self._counts(target)
            record = target_record(
                assignment,
                target,
                matrix,
                errors,
                counts=counts,
                # Where the output keeps the original, both are stored.
                nbytes=size + (target.nbytes if target.name in beside else 0),
                seconds=seconds / len(parts),
            )
            report(Event(1.0, f"{target.name}: directions of its rows"))
            direction = direction_record(
                self.model.tokenizer, target, weight, matrix, errors, counts
            )
            done.append(CompressedTarget(record, matrix, direction))
        return done

    def _counts(self, target: Target) -> Tensor | None:
        if target.family not in TABLES or not len(self.text.token_ids):
            return None
        return count_rows(self.text.token_ids, target.shape[0])

    def _own_biases(
        self,
        assignment: Assignment,
        weights: Sequence[Tensor],
        parts: Sequence[CompressedMatrix],
        around: CompressedInputs | None,
    ) -> None:
        """Give each part the bias that keeps the mean output of its own original weight.

        A method knows the means of a whole group only, and not what inputs were originally.
        """
        if len(parts) == 1 and around is None:
            return
        for target, weight, part in zip(assignment.targets, weights, parts, strict=True):
            if part.bias is None:
                continue
            if around is not None:
                mean, seen = around.inputs.original_mean, around.inputs.mean
            else:
                mean = seen = self.known[target.name].require("mean")
            device = part.bias.device
            wanted = weight.to(device).double() @ mean.to(device).double()
            missing = wanted - part.to_dense().double() @ seen.to(device).double()
            part.bias.data = missing.to(part.dtype).to(part.bias.dtype)

    def _statistics(
        self, assignment: Assignment, before: Mapping[str, CompressedMatrix]
    ) -> Statistics:
        """Return only what the method needs."""
        needs = assignment.required_statistics
        if not needs:
            return Statistics()
        members = [self.known.get(target.name, Statistics()) for target in assignment.targets]
        found = replace(stack_statistics(members), num_tokens=len(self.text.token_ids))
        if "row_counts" in needs:
            rows = sum(target.shape[0] for target in assignment.targets)
            found = replace(found, row_counts=count_rows(self.text.token_ids, rows))
        if "perplexity" in needs:

            def measure(matrix: CompressedMatrix) -> float:
                parts = unstack(assignment, matrix)
                names = [target.name for target in assignment.targets]
                matrices = {**before, **dict(zip(names, parts, strict=True))}
                trial = with_matrices(self.model, matrices, input_only([assignment]))
                return perplexity(trial, self.text.selection_examples)

            found = replace(found, perplexity=measure)
        return found


def check_text(assignment: Assignment, text: Calibration) -> None:
    """Refuse an assignment that needs calibration text where there is none.

    Raises:
        CompressionError: There is none.
    """
    needs = assignment.required_statistics
    if needs and not text.examples:
        raise CompressionError(
            f"{assignment.name}: {assignment.method.name} needs calibration text "
            f"({', '.join(sorted(needs))}); name one."
        )


@contextmanager
def name_errors(assignment: Assignment) -> Iterator[None]:
    """Begin what is said of an error with the assignment's name."""
    try:
        yield
    except CompressionError as error:
        if str(error).startswith(assignment.name):
            raise
        raise type(error)(f"{assignment.name}: {error}") from error
