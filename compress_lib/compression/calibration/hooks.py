"""Forward and backward hooks that accumulate layer inputs and output gradients in one pass.

The forward pass accumulates moments of the inputs, the backward pass moments of the loss
gradients at the outputs. Weights get no gradient, so the backward pass costs about as much as
the forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from compress_lib.data.calibration_text import Calibration
from compress_lib.errors import CompressionError
from compress_lib.evaluation.likelihood import predict
from compress_lib.methods.statistics import (
    LOGIT_VARIANCE,
    LOOKUP_GRADIENT,
    MOMENTS,
    OUTPUT_GRADIENT,
)
from compress_lib.models.architecture import WeightLocation, table_scale
from compress_lib.models.loading import LanguageModel
from compress_lib.models.surgery import clone, split_like
from compress_lib.utils.progress import Event, Report

Sums = dict[str, dict[str, Tensor]]
"""Accumulated tensors by target and statistic."""

CLIP = (0.1, 10.0)
"""Range of a token's gradient norm as multiples of the mean norm in its example: a few surprising
tokens have gradients a hundred times larger and would dominate the sum."""


def collect_sums(
    model: LanguageModel, wanted: Mapping[str, set[str]], text: Calibration, report: Report
) -> Sums:
    """Collect the statistics of forward and backward hooks in one pass over the text.

    Args:
        model: The baseline; it is not changed.
        wanted: The names of targets by kind, one of `OBSERVED`.
        text: The calibration text.
        report: Receives progress events for every example, and again at every hook, so that a
            slow example can be stopped; may raise `StoppedError`.

    Returns:
        Means over all tokens, by target and statistic.

    Raises:
        CompressionError: A target has no such statistic, or was not used.
    """
    backward = any(wanted.get(kind) for kind in (OUTPUT_GRADIENT, LOOKUP_GRADIENT))
    module = clone(model.module)
    hooks = StatisticsHooks(model, module, wanted)
    count = len(text.examples)
    statistics = "layer inputs" + (" and output gradients" if backward else "")
    with ExitStack() as stack, torch.enable_grad() if backward else torch.inference_mode():
        hooks.attach(stack, backward=backward)
        for index, example in enumerate(text.examples):
            step = Event(index / count, f"Reading calibration text: {statistics}")
            hooks.check_stop = partial(report, step)
            hooks.check_stop()
            hooks.latest.clear()
            if not (backward or hooks.tables):
                module(example.inputs.to(model.device)[None])
                continue
            logits = predict(replace(model, module=module), example).float()
            hooks.record_logits(logits.detach())
            hooks.check_stop()
            if backward:
                labels = example.labels.to(logits.device)
                nn.functional.cross_entropy(logits, labels, reduction="sum").backward()
    return hooks.averages()


class StatisticsHooks:
    """Forward and backward hooks of one pass, with their accumulated sums.

    Args:
        model: The baseline, with the locations of its weights.
        module: The clone that is run.
        wanted: The names of targets by kind, one of `OBSERVED`.
    """

    def __init__(
        self, model: LanguageModel, module: nn.Module, wanted: Mapping[str, set[str]]
    ) -> None:
        self.module = module
        self.check_stop: Callable[[], None] = lambda: None
        self.latest: list[tuple[Tensor, str]] = []
        chosen = {kind: locations_of(model, names) for kind, names in wanted.items()}
        at_inputs = _unique([site for kind in MOMENTS for site in chosen.get(kind, ())])
        self.readers = {site.target.name: consuming_layer(module, site) for site in at_inputs}
        self.outputs = chosen.get(OUTPUT_GRADIENT, [])
        self.lookups = chosen.get(LOOKUP_GRADIENT, [])
        self.tables = chosen.get(LOGIT_VARIANCE, [])
        self._same: dict[str, str] = {}
        self._inputs: dict[str, tuple[Tensor, Tensor]] = {}
        self._sums: Sums = {}
        self._rows: dict[tuple[str, str], int] = {}

    def attach(self, stack: ExitStack, *, backward: bool) -> None:
        """Register the hooks on the layers.

        Args:
            stack: Removes the hooks when it is closed.
            backward: Whether gradients are needed.
        """
        for path in dict.fromkeys(self.readers.values()):
            layer = self.module.get_submodule(path)
            stack.callback(layer.register_forward_pre_hook(partial(self._see_input, path)).remove)
        by_path: dict[str, list[WeightLocation]] = {}
        for site in self.outputs:
            by_path.setdefault(consuming_layer(self.module, site), []).append(site)
        for path, sites in by_path.items():
            layer = self.module.get_submodule(path)
            stack.callback(layer.register_forward_hook(partial(self._see_output, sites)).remove)
        if backward:
            table = self.module.get_input_embeddings()  # type: ignore[operator]
            stack.callback(table.register_forward_hook(self._see_lookup).remove)

    def averages(self) -> Sums:
        """Return the means over all tokens, by target and statistic."""
        means: Sums = {}
        for name, path in self.readers.items():
            source = self._same.get(path, path)
            if source not in self._inputs:
                raise _unused_error(name)
            count = self._rows[source, "inputs"]
            moment, mean = (total / count for total in self._inputs[source])
            means[name] = {"second_moment": moment.float(), "mean": mean.float()}
        kinds = {OUTPUT_GRADIENT: self.outputs, LOOKUP_GRADIENT: self.lookups}
        for kind, sites in {**kinds, LOGIT_VARIANCE: self.tables}.items():
            for site in sites:
                name = site.target.name
                if kind not in self._sums.get(name, {}):
                    raise _unused_error(name)
                mean = self._sums[name].pop(kind) / self._rows[name, kind]
                means.setdefault(name, {})[kind] = mean.float()
        return means

    def record_logits(self, logits: Tensor) -> None:
        """Accumulate p (1 − p) of each token over predictions `[predictions, vocabulary]`."""
        if not self.tables:
            return
        p = logits.softmax(-1)
        self.check_stop()
        variance = p.addcmul_(p, p, value=-1).sum(0).double()
        for site in self.tables:
            self._add(site, LOGIT_VARIANCE, variance.clone(), len(logits))

    def _see_input(self, path: str, layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        self.check_stop()
        x: Tensor = inputs[0]
        # Query, key and value share one input tensor, which is accumulated once.
        if self.latest and self.latest[0][0] is x:
            self._same.setdefault(path, self.latest[0][1])
        if path in self._same:
            return
        self.latest[:] = [(x, path)]
        flat = x.detach().flatten(0, -2).float()
        # Layers that share weights call the same module several times per example.
        self._rows[path, "inputs"] = self._rows.get((path, "inputs"), 0) + len(flat)
        moment, mean = self._inputs.get(path, (0.0, 0.0))
        # The mean is later subtracted from the moment; float64 avoids cancellation.
        new = (moment + (flat.T @ flat).double(), mean + flat.double().sum(0))
        self._inputs[path] = new

    def _see_output(
        self, sites: list[WeightLocation], layer: nn.Module, inputs: Any, output: Tensor
    ) -> None:
        # No gradient reaches some outputs, such as projected position embeddings.
        if output.requires_grad:
            output.register_hook(partial(self._see_gradient, sites, OUTPUT_GRADIENT))

    def _see_lookup(self, layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        # All weights are frozen, so the gradient graph has to start at the embedding's output.
        start = output.detach().requires_grad_()
        # The gradient with respect to the row itself, before the embedding's scale.
        scale = table_scale(layer) or 1.0
        start.register_hook(
            lambda gradient: self._see_gradient(self.lookups, LOOKUP_GRADIENT, scale * gradient)
        )
        return start

    def _see_gradient(self, sites: list[WeightLocation], kind: str, gradient: Tensor) -> None:
        self.check_stop()
        flat = gradient.detach().flatten(0, -2).float()
        for site in sites:
            gradients = split_like(flat.T, site).T if kind == OUTPUT_GRADIENT else flat
            clipped = _clip(gradients)
            self._add(site, kind, clipped.T @ clipped, len(flat))

    def _add(self, site: WeightLocation, kind: str, value: Tensor, count: int) -> None:
        sums, name = self._sums.setdefault(site.target.name, {}), site.target.name
        if kind in sums:
            sums[kind] += value
        else:
            sums[kind] = value
        self._rows[name, kind] = self._rows.get((name, kind), 0) + count


def _clip(gradients: Tensor) -> Tensor:
    """Clip the norms of gradients `[tokens, width]` to the range `CLIP` × their mean."""
    norms = torch.linalg.vector_norm(gradients, dim=1, keepdim=True)
    # The last token of an example and unmasked tokens of masked models have no gradient.
    mean = norms.sum() / (norms > 0).sum().clamp_min(1)
    clipped = norms.clamp(CLIP[0] * mean, CLIP[1] * mean)
    return gradients * torch.where(norms > 0, clipped / norms.clamp_min(1e-30), 0.0)


def locations_of(model: LanguageModel, names: set[str]) -> list[WeightLocation]:
    """Return the locations of the targets with the given names.

    Args:
        model: The model.
        names: Names of targets.
    """
    return [site for site in model.sites if site.target.name in names]


def _unique(sites: Iterable[WeightLocation]) -> Sequence[WeightLocation]:
    return list({site.target.name: site for site in sites}.values())


def _unused_error(name: str) -> CompressionError:
    return CompressionError(
        f"{name} was not used while the model read the calibration text, so its inputs are unknown."
    )


def consuming_layer(module: nn.Module, site: WeightLocation) -> str:
    """Return the path of the layer that multiplies its inputs by a weight.

    Args:
        module: The model.
        site: The location of the weight.

    Raises:
        CompressionError: The weight is an untied embedding, which is only looked up.
    """
    for path in site.modules:
        if not isinstance(module.get_submodule(path), nn.Embedding):
            return path
    raise CompressionError(
        f"{site.target.name} is only looked up and multiplies no inputs, so it has no input "
        "statistics."
    )
