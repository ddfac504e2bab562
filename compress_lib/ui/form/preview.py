"""What a plan would do, told while a slider moves: no torch, no job, well under 100 ms."""

from __future__ import annotations

from collections.abc import Sequence, Set
from html import escape
from math import exp

from compress_lib.errors import CompressionError
from compress_lib.models.targets import FAMILIES, TABLES, Target
from compress_lib.plan.allocation import Assignment, allocate
from compress_lib.plan.forecast import LEAST, MOST, describe_prediction, forecast_loss, load_curves
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import DENSE
from compress_lib.plan.spectra import truncation_error
from compress_lib.ui.common import texts
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.engine.session_runs import find_targets
from compress_lib.utils.formatting import format_bytes, format_share


def describe_plan(engine: Engine, plan: Plan) -> str:
    """Return, as HTML, ranks, bytes and break-even of a plan, or what is wrong with it."""
    targets, whole = find_targets(engine, plan.model)
    if not targets:
        return _box(escape(texts.UNKNOWN_SHAPES), "quiet")
    try:
        assigned = allocate(plan, targets)
    except CompressionError as error:
        return complaint(error)
    before = sum(item.nbytes for item in assigned)
    # What is shared out may take up what another matrix leaves.
    after = sum(item.predicted_bytes for item in assigned)
    head = _headline(assigned, before, after)
    # What the output end keeps for itself stays in the checkpoint.
    kept = sum(item.retained_bytes for item in assigned)
    lines = [f"<strong>{escape(head)}</strong>"]
    if whole:
        left = whole - before + after + kept
        size, share = format_bytes(left), format_share(left / whole)
        lines.append(escape(texts.PREVIEW_WHOLE.format(size=size, share=share)))
    lost = truncation_error(assigned, plan.model)
    if lost is not None:
        words = texts.PREVIEW_ERROR if lost[1] else texts.PREVIEW_ERROR_BOUND
        lines.append(escape(words.format(error=lost[0])))
    shared = any(item.needs_allocation for item in assigned)
    expected = forecast_loss(assigned, plan.model)
    if expected is not None and assigned:
        lines.append(escape(_loss_message(expected)))
    elif load_curves(plan.model):
        lines.append(escape(texts.PREVIEW_PENDING if shared else texts.PREVIEW_NO_ESTIMATE))
    if len(assigned) == 1 and not shared and assigned[0].preview.rank is not None:
        rank = assigned[0].break_even_rank
        lines.append(escape(texts.BREAK_EVEN.format(rank=rank)))
    bigger = sum(
        item.preview.nbytes > item.nbytes for item in assigned if not item.needs_allocation
    )
    if bigger:
        lines.append(escape(texts.BIGGER.format(count=bigger)))
    if kept:
        lines.append(escape(texts.PREVIEW_KEPT.format(size=format_bytes(kept))))
    elif after >= before and not bigger:
        lines.append(escape(texts.NO_SAVING))
    if tied := _tie_message(plan, assigned, targets):
        lines.append(escape(tied))
    width = f"{100 * after / max(before, 1):.1f}%"
    bar = f'<span class="meter"><span style="width:{width}"></span></span>'
    return _box(bar + "<br>".join(lines), "warn" if bigger or after + kept >= before else "")


def describe_change(engine: Engine, changed: Plan, names: Set[str]) -> str:
    """Return in words what a changed plan would make of some matrices, and what it would cost."""
    try:
        assigned = allocate(changed, find_targets(engine, changed.model)[0])
    except CompressionError as error:
        return str(error)
    mine = [item for item in assigned if names & {target.name for target in item.targets}]
    before = sum(item.nbytes for item in mine)
    after = sum(item.predicted_bytes for item in mine)
    expected = forecast_loss(assigned, changed.model)
    cost = "" if expected is None else f" {_loss_message(expected)}"
    return texts.MAP_PREVIEW.format(what=_headline(mine, before, after), cost=cost)


def _loss_message(loss: float) -> str:
    """Say what a growth of the loss means: beyond a bound, that little is left of the model."""
    words = describe_prediction(loss, texts.PREVIEW_LOSS, texts.PREVIEW_HIGH, texts.PREVIEW_SEVERE)
    # Of a model that is ruined the ratio may be beyond any number.
    low, ratio, high = (exp(min(share * loss, 100.0)) for share in (LEAST, 1.0, MOST))
    return words.format(
        loss=f"{loss:.2g}", ratio=f"{ratio:.2g}", low=_near_one(low), high=_near_one(high)
    )


def _near_one(ratio: float) -> str:
    return f"{ratio:.3f}" if ratio < 1.1 else f"{ratio:.3g}"


def complaint(error: CompressionError) -> str:
    """Return, as HTML, what is wrong with a plan."""
    return _box(escape(str(error)), "warn")


def _headline(assigned: list[Assignment], before: int, after: int) -> str:
    count = sum(len(item.targets) for item in assigned)
    bound = any(item.preview.is_upper_bound or item.needs_allocation for item in assigned)
    size = texts.PREVIEW_AT_MOST.format(size=format_bytes(after)) if bound else format_bytes(after)
    sizes = {"before": format_bytes(before), "after": size}
    if count == 1 and not assigned[0].needs_allocation:
        only = assigned[0].preview
        label, full = FAMILIES[assigned[0].family], min(assigned[0].shape)
        if only.rank is None:
            return texts.PREVIEW_ONE_NOTE.format(label=label, note=only.note, **sizes)
        return texts.PREVIEW_ONE.format(label=label, rank=only.rank, full=full, **sizes)
    what = texts.PREVIEW_MATRICES.format(count=count) if count > 1 else texts.PREVIEW_MATRIX
    if len(assigned) < count:
        groups = texts.PREVIEW_GROUPS if len(assigned) > 1 else texts.PREVIEW_GROUP
        what += groups.format(count=len(assigned))
    return texts.PREVIEW_MANY.format(what=what + _ranks(assigned), **sizes)


def _ranks(assigned: list[Assignment]) -> str:
    """Say the ranks, and before them what becomes of matrices without, if it is one thing."""
    if any(item.needs_allocation for item in assigned):
        return texts.PREVIEW_ALLOCATED
    ranks = [item.preview.rank for item in assigned if item.preview.rank is not None]
    notes = {item.preview.note for item in assigned if item.preview.rank is None}
    said = f", {notes.pop()}" if len(notes) == 1 and all(notes) else ""
    if not ranks:
        return said
    low, high = min(ranks), max(ranks)
    words = texts.PREVIEW_RANK if low == high else texts.PREVIEW_RANKS
    return said + words.format(low=low, high=high)


def _tie_message(plan: Plan, assigned: Sequence[Assignment], targets: Sequence[Target]) -> str:
    """Say that a model reads and writes with one table, where a plan names one of its two ends."""
    if not any(target.tied for target in targets):
        return ""
    patterns = [rule.pattern for rule in plan.rules if rule.method != DENSE]
    named = {part.strip() for part in ",".join(patterns).split(",")}.intersection(TABLES)
    table = [item for item in assigned if any(target.tied for target in item.targets)]
    if not table and "head" in named:
        return texts.PREVIEW_TIED["head"]
    both = any(item.rule.tie == "both" for item in table)
    return texts.PREVIEW_TIED["embedding"] if both and named == {"embedding"} else ""


def _box(content: str, kind: str) -> str:
    return f'<div class="preview {kind}">{content}</div>'
