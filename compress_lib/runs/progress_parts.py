"""Progress parts: the range of a run's progress bar that each step gets, by its estimated time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compress_lib.compression.compress import SHARING
from compress_lib.models.loading import LanguageModel
from compress_lib.plan.allocation import Assignment
from compress_lib.plan.plan import Plan
from compress_lib.utils.progress import Report, subrange

LOADED = 0.05
"""The share of a run that loading takes."""

TASKS = 0.5
"""The share that tasks, if there are any, take of what is left after compressing."""

GENERATION_COST = 30
"""How many times longer a generated token takes than a scored one."""

DECODING_COST = 3
"""How many times longer generation takes for a model whose weights are all decoded every token."""


@dataclass(frozen=True)
class ProgressParts:
    """Where each step of a run reports: every callback maps [0, 1] to its own range."""

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
        """Estimate how long each step takes.

        Args:
            plan: What is run.
            model: The original.
            assignments: What is compressed.
            tasks: Whether tasks are run at the end.
            report: Of the whole run.
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
    """Return the time to score the evaluation text ÷ the time to score it and to generate."""
    # A matrix without a rank is stored as codes, which have to be decoded.
    coded = sum(one.nbytes for one in assignments if one.preview.rank is None)
    slower = 1 + DECODING_COST * coded / sum(target.nbytes for target in model.targets)
    tokens = plan.generation.max_new_tokens if model.kind == "causal" else 0
    generation = GENERATION_COST * len(plan.prompts) * tokens * (1 + slower)
    scoring = 2 * plan.evaluation.tokens
    return scoring / (scoring + generation)
