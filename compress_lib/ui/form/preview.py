"""Plan preview: predicted ranks, bytes, error and loss. Takes under 100 ms; no torch."""

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
    """Return a plan's predicted ranks, bytes, error and loss as HTML, or its error message."""
    targets, model_bytes = find_targets(engine, plan.model)
    if not targets:
        return _box(escape(texts.UNKNOWN_SHAPES), "quiet")
    try:
        assigned = allocate(plan, targets)
    except CompressionError as error:
        return complaint(error)
    before = sum(item.nbytes for item in assigned)
    # With allocation, a matrix may take bytes that another one does not need.
    after = sum(item.predicted_bytes for item in assigned)
    head = _headline(assigned, before, after)
    # An LM head that stays dense keeps its own copy in the checkpoint.
    kept = sum(item.retained_bytes for item in assigned)
    lines = [f"<strong>{escape(head)}</strong>"]
    if model_bytes:
        total = model_bytes - before + after + kept
        size, share = format_bytes(total), format_share(total / model_bytes)
        lines.append(escape(texts.PREVIEW_WHOLE.format(size=size, share=share)))
    truncated = truncation_error(assigned, plan.model)
    if truncated is not None:
        relative_error, exact = truncated
        template = texts.PREVIEW_ERROR if exact else texts.PREVIEW_ERROR_BOUND
        lines.append(escape(template.format(error=relative_error)))
    allocated = any(item.needs_allocation for item in assigned)
    loss = forecast_loss(assigned, plan.model)
    if loss is not None and assigned:
        lines.append(escape(_loss_message(loss)))
    elif load_curves(plan.model):
        lines.append(escape(texts.PREVIEW_PENDING if allocated else texts.PREVIEW_NO_ESTIMATE))
    if len(assigned) == 1 and not allocated and assigned[0].preview.rank is not None:
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
    """Return the predicted ranks and bytes of some matrices and the loss of the whole plan.

    Args:
        engine: Provides the shapes of the model's matrices.
        changed: The changed plan.
        names: Names of the matrices.
    """
    try:
        assigned = allocate(changed, find_targets(engine, changed.model)[0])
    except CompressionError as error:
        return str(error)
    selected = [item for item in assigned if names & {target.name for target in item.targets}]
    before = sum(item.nbytes for item in selected)
    after = sum(item.predicted_bytes for item in selected)
    loss = forecast_loss(assigned, changed.model)
    cost = "" if loss is None else f" {_loss_message(loss)}"
    return texts.MAP_PREVIEW.format(what=_headline(selected, before, after), cost=cost)


def _loss_message(loss: float) -> str:
    """Return the sentence on an estimated loss increase, by the reliability of the estimate."""
    template = describe_prediction(
        loss, texts.PREVIEW_LOSS, texts.PREVIEW_HIGH, texts.PREVIEW_SEVERE
    )
    # Clip the exponent: exp() of a very large loss overflows.
    low, ratio, high = (exp(min(share * loss, 100.0)) for share in (LEAST, 1.0, MOST))
    return template.format(
        loss=f"{loss:.2g}", ratio=f"{ratio:.2g}", low=_near_one(low), high=_near_one(high)
    )


def _near_one(ratio: float) -> str:
    return f"{ratio:.3f}" if ratio < 1.1 else f"{ratio:.3g}"


def complaint(error: CompressionError) -> str:
    """Return an error in a plan as HTML."""
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
    """Return the ranks, preceded by the note that all matrices without a rank share, if any."""
    if any(item.needs_allocation for item in assigned):
        return texts.PREVIEW_ALLOCATED
    ranks = [item.preview.rank for item in assigned if item.preview.rank is not None]
    notes = {item.preview.note for item in assigned if item.preview.rank is None}
    note = f", {notes.pop()}" if len(notes) == 1 and all(notes) else ""
    if not ranks:
        return note
    low, high = min(ranks), max(ranks)
    template = texts.PREVIEW_RANK if low == high else texts.PREVIEW_RANKS
    return note + template.format(low=low, high=high)


def _tie_message(plan: Plan, assigned: Sequence[Assignment], targets: Sequence[Target]) -> str:
    """Return a note on tied embeddings if the plan names only the embedding or the LM head."""
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
