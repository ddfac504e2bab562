"""Progress parts: the range of a run's progress bar for each step, by its estimated time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compress_lib.compression.compress import SHARING
from compress_lib.models.loading import LanguageModel
from compress_lib.plan.allocation import Assignment
from compress_lib.plan.plan import Plan
from compress_lib.utils.progress import Report, subrange

LOADED = 0.05
"""Share of a run's progress for loading."""

TASKS = 0.5
"""Share of the progress after compression for tasks, if there are any."""

GENERATION_COST = 30
"""Time per generated token ÷ time per scored token."""

DECODING_COST = 3
"""Slowdown of generation if all weights are decoded for every token."""


@dataclass(frozen=True)
class ProgressParts:
    """Progress callbacks of a run's steps; each maps [0, 1] to its own range."""

    allocate: Report
    compress: Report
    measure: Report
    generate: Report
    solve: Report

    @classmethod
    def of(
        cls,
        plan: Plan,
        model: LanguageModel,
        assignments: Sequence[Assignment],
        *,
        tasks: bool,
        report: Report,
    ) -> ProgressParts:
        """Divide the progress of a run by the estimated time of its steps.

        Args:
            plan: The plan.
            model: The original.
            assignments: The plan's assignments.
            tasks: Whether tasks are evaluated at the end.
            report: The progress callback of the whole run.
        """
        cost = max((one.method.relative_cost for one in assignments), default=0.0)
        compressed = LOADED + (1 - LOADED) * cost
        allocating = any(one.needs_allocation for one in assignments)
        allocated = LOADED + (SHARING if allocating else 0.0) * (compressed - LOADED)
        generated = compressed + (1 - TASKS * tasks) * (1 - compressed)
        measured = compressed + _scoring_share(plan, model, assignments) * (generated - compressed)
        ends = (LOADED, allocated, compressed, measured, generated, 1.0)
        return cls(*(subrange(report, ends[i], ends[i + 1]) for i in range(5)))


def _scoring_share(plan: Plan, model: LanguageModel, assignments: Sequence[Assignment]) -> float:
    """Return the time of scoring the evaluation text ÷ the time of scoring and generation."""
    # Matrices without a rank are stored as codes, which have to be decoded.
    coded = sum(one.nbytes for one in assignments if one.preview.rank is None)
    slower = 1 + DECODING_COST * coded / sum(target.nbytes for target in model.targets)
    tokens = plan.generation.max_new_tokens if model.kind == "causal" else 0
    generation = GENERATION_COST * len(plan.prompts) * tokens * (1 + slower)
    scoring = 2 * plan.evaluation.tokens
    return scoring / (scoring + generation)
