"""Collect calibration statistics of a model's weights, and cache them on disk.

`hooks` accumulates activations and output gradients. Weight gradients are reduced here to one
value per row as soon as they are complete, so only one gradient is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial

import torch
from torch import Tensor, nn

from compress_lib.compression.calibration.cache import StatisticsCache
from compress_lib.compression.calibration.hooks import Sums, collect_sums, locations_of
from compress_lib.data.calibration_text import Calibration
from compress_lib.data.examples import Example
from compress_lib.errors import CompressionError
from compress_lib.evaluation.likelihood import predict
from compress_lib.methods.statistics import (
    CURVATURES,
    GATHERED,
    GRADIENTS,
    MOMENTS,
    OBSERVED,
    Statistics,
)
from compress_lib.models.architecture import WeightLocation, torch_layout
from compress_lib.models.loading import LanguageModel
from compress_lib.models.surgery import clone, split_like
from compress_lib.utils.progress import Event, Report, ignore, subrange


def collect_statistics(
    model: LanguageModel,
    needs: Mapping[str, Iterable[str]],
    text: Calibration,
    report: Report = ignore,
) -> LazyStatistics:
    """Collect missing statistics: one pass for activations, one per kind of weight gradient.

    Args:
        model: The baseline; it is not changed.
        needs: The required fields of `Statistics` by target name.
        text: The calibration text.
        report: Receives progress events for every example; may raise `StoppedError`.

    Returns:
        Statistics by target, read from disk on access; cached ones of the same model and text
        are reused.

    Raises:
        CompressionError: A statistic is not finite, or a target has no such statistic.
    """
    store = StatisticsCache(model, text)
    wanted = {name: frozenset(kinds) & GATHERED for name, kinds in needs.items()}
    missing: dict[str, set[str]] = {}
    for name, kinds in wanted.items():
        for kind in kinds:
            if not store.has(name, kind):
                missing.setdefault(kind, set()).add(name)
    for sums in _passes(model, missing, text, report):
        for name, values in sums.items():
            _check(name, values)
            store.add(name, values)
    if missing:
        store.evict()
    return LazyStatistics(store, wanted, len(text.token_ids))


class LazyStatistics(Mapping[str, Statistics]):
    """Statistics by target, read from disk on access.

    All statistics of a model take gigabytes, but targets are compressed one at a time.
    """

    def __init__(
        self, store: StatisticsCache, wanted: Mapping[str, frozenset[str]], num_tokens: int
    ) -> None:
        self._store = store
        self._wanted = wanted
        self._num_tokens = num_tokens

    def __getitem__(self, name: str) -> Statistics:
        wanted = self._wanted[name]

        @cache
        def read(kind: str) -> Tensor | None:
            return self._store.find(name, kind) if kind in wanted else None

        return Statistics(num_tokens=self._num_tokens, read=read, memo=self._store.cached(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._wanted)

    def __len__(self) -> int:
        return len(self._wanted)


def _passes(
    model: LanguageModel, missing: Mapping[str, set[str]], text: Calibration, report: Report
) -> Iterable[Sums]:
    """Run the required passes: one for activations, one per kind of weight gradient."""
    plans: list[Callable[[Report], Sums]] = []
    observed = {kind: names for kind, names in missing.items() if kind in OBSERVED}
    singly = any(example.singly for example in text.examples)
    # With one masked copy per word, moments are still those of the unmasked text.
    parts = [MOMENTS, CURVATURES] if singly else [OBSERVED]
    for part in parts:
        wanted = {kind: names for kind, names in observed.items() if kind in part}
        if wanted:
            plans.append(partial(collect_sums, model, wanted, text))
    for kind, names in GRADIENTS.items():
        targets = set().union(*(missing.get(name, set()) for name in names))
        if targets:
            plans.append(
                partial(_gradients, model, locations_of(model, targets), text.fisher_examples, kind)
            )
    for index, plan in enumerate(plans):
        yield plan(subrange(report, index / len(plans), (index + 1) / len(plans)))


def _gradients(
    model: LanguageModel,
    sites: Sequence[WeightLocation],
    examples: Sequence[Example],
    kind: str,
    report: Report,
) -> Sums:
    """Return per-row sums of squared and absolute weight gradients over all examples.

    Source: row-wise Fisher information as in Hsu et al. 2022 (FWSVD), arXiv 2207.00112, with a
    separate gradient of each example's log-likelihood.
    """
    squares, absolutes = GRADIENTS[kind]
    module = clone(model.module)
    totals: Sums = {site.target.name: {} for site in sites}

    def reduce(members: list[WeightLocation], parameter: Tensor) -> None:
        assert parameter.grad is not None
        layer = module.get_submodule(members[0].modules[0])
        whole = torch_layout(layer, parameter.grad)
        for site in members:
            gradient, sums = split_like(whole, site).float(), totals[site.target.name]
            # `vector_norm` makes no copy of the gradient, which can be as large as an embedding.
            length = torch.linalg.vector_norm(gradient, dim=1).double()
            total = torch.linalg.vector_norm(gradient, ord=1, dim=1).double()
            sums[squares] = sums.get(squares, 0) + length.square()
            sums[absolutes] = sums.get(absolutes, 0) + total
        parameter.grad = None

    with ExitStack() as hooks, torch.enable_grad():
        for members in _by_module(sites):
            weight = _trainable_parameter(module, members[0])
            hook = weight.register_post_accumulate_grad_hook(partial(reduce, members))
            hooks.callback(hook.remove)
        for index, example in enumerate(examples):
            report(Event(index / len(examples), "Reading calibration text: weight gradients"))
            logits = predict(replace(model, module=module), example).float()
            labels = example.labels.to(logits.device)
            losses = nn.functional.cross_entropy(logits, labels, reduction="none")
            value = losses.sum() if kind == "likelihood" else (-losses).exp().mean()
            value.backward()
    return {
        name: {statistic: total.float() for statistic, total in sums.items()}
        for name, sums in totals.items()
    }


def _by_module(sites: Sequence[WeightLocation]) -> list[list[WeightLocation]]:
    """Group locations by module, because the parts of a fused weight share one gradient."""
    groups: dict[str, list[WeightLocation]] = {}
    for site in sites:
        groups.setdefault(site.modules[0], []).append(site)
    return list(groups.values())


def _trainable_parameter(module: nn.Module, site: WeightLocation) -> nn.Parameter:
    """Replace a clone's weight by a parameter with gradient that shares the frozen original."""
    first = module.get_submodule(site.modules[0])
    weight = nn.Parameter(first.weight.detach(), requires_grad=True)  # type: ignore[operator]
    for path in site.modules:
        module.get_submodule(path).weight = weight
    return weight


def _check(name: str, values: Mapping[str, Tensor]) -> None:
    for kind, value in values.items():
        if not bool(torch.isfinite(value).all()):
            raise CompressionError(
                f"{name}: the statistic {kind} of the calibration text is not finite (NaN or "
                "infinity), so the model's predictions on this text are corrupt."
            )
