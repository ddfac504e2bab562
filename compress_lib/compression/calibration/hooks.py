"""One pass over calibration text that sees what goes into layers and what comes back to them.

Inputs are summed up on the way forward, gradients of the loss at the outputs on the way back; a
weight itself gets no gradient, so that the way back costs about as much as the way forward.
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
"""By target and statistic."""

CLIP = (0.1, 10.0)
"""A token's gradient counts with a norm within these multiples of the mean norm in its text: a
few surprising tokens have gradients a hundred times the usual, and would be all that is seen."""


def collect_sums(
    model: LanguageModel, wanted: Mapping[str, set[str]], text: Calibration, report: Report
) -> Sums:
    """Gather what forward and backward hooks can see, in one pass over the text.

    Args:
        model: The baseline; it is not changed.
        wanted: By kind, one of `OBSERVED`, the names of targets.
        text: The calibration text.
        report: Told about every block, and as often as a layer is seen, so that a block of many
            seconds can be stopped within one; may raise `StoppedError`.

    Raises:
        CompressionError: A target has nothing of a kind, or was not used.
    """
    backward = any(wanted.get(kind) for kind in (OUTPUT_GRADIENT, LOOKUP_GRADIENT))
    module = clone(model.module)
    hooks = StatisticsHooks(model, module, wanted)
    count = len(text.examples)
    statistics = "inputs of the layers" + (" and gradients at their outputs" if backward else "")
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
    """Forward and backward hooks of one pass, and the sums they have collected."""

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
        """Register the hooks on the layers; the stack removes them."""
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
        """Return means over all tokens seen."""
        found: Sums = {}
        for name, path in self.readers.items():
            source = self._same.get(path, path)
            if source not in self._inputs:
                raise _unused_error(name)
            count = self._rows[source, "inputs"]
            moment, mean = (total / count for total in self._inputs[source])
            found[name] = {"second_moment": moment.float(), "mean": mean.float()}
        kinds = {OUTPUT_GRADIENT: self.outputs, LOOKUP_GRADIENT: self.lookups}
        for kind, sites in {**kinds, LOGIT_VARIANCE: self.tables}.items():
            for site in sites:
                name = site.target.name
                if kind not in self._sums.get(name, {}):
                    raise _unused_error(name)
                mean = self._sums[name].pop(kind) / self._rows[name, kind]
                found.setdefault(name, {})[kind] = mean.float()
        return found

    def record_logits(self, logits: Tensor) -> None:
        """Sum up the variance of each token under the predictions `[predictions, vocabulary]`."""
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
        # Query, key and value read the same tensor: sum it up once.
        if self.latest and self.latest[0][0] is x:
            self._same.setdefault(path, self.latest[0][1])
        if path in self._same:
            return
        self.latest[:] = [(x, path)]
        flat = x.detach().flatten(0, -2).float()
        # A layer may be called several times for one text: layers that share their weights.
        self._rows[path, "inputs"] = self._rows.get((path, "inputs"), 0) + len(flat)
        moment, mean = self._inputs.get(path, (0.0, 0.0))
        # Means are taken away from moments later, which needs the digits of float64.
        new = (moment + (flat.T @ flat).double(), mean + flat.double().sum(0))
        self._inputs[path] = new

    def _see_output(
        self, sites: list[WeightLocation], layer: nn.Module, inputs: Any, output: Tensor
    ) -> None:
        # What no gradient reaches, such as tables of positions that are projected, is no use.
        if output.requires_grad:
            output.register_hook(partial(self._see_gradient, sites, OUTPUT_GRADIENT))

    def _see_lookup(self, layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        # No weight learns, so that this is where gradients have to begin.
        start = output.detach().requires_grad_()
        # The gradient at a row itself, before the table's scale.
        scale = table_scale(layer) or 1.0
        start.register_hook(
            lambda gradient: self._see_gradient(self.lookups, LOOKUP_GRADIENT, scale * gradient)
        )
        return start

    def _see_gradient(self, sites: list[WeightLocation], kind: str, gradient: Tensor) -> None:
        self.check_stop()
        flat = gradient.detach().flatten(0, -2).float()
        for site in sites:
            own = split_like(flat.T, site).T if kind == OUTPUT_GRADIENT else flat
            clipped = _clip(own)
            self._add(site, kind, clipped.T @ clipped, len(flat))

    def _add(self, site: WeightLocation, kind: str, value: Tensor, count: int) -> None:
        sums, name = self._sums.setdefault(site.target.name, {}), site.target.name
        if kind in sums:
            sums[kind] += value
        else:
            sums[kind] = value
        self._rows[name, kind] = self._rows.get((name, kind), 0) + count


def _clip(gradients: Tensor) -> Tensor:
    """Bring the norms of gradients `[tokens, width]` into the range of `CLIP`."""
    norms = torch.linalg.vector_norm(gradients, dim=1, keepdim=True)
    # The last token of a text, and what is not predicted in masked models, gets no gradient.
    usual = norms.sum() / (norms > 0).sum().clamp_min(1)
    wanted = norms.clamp(CLIP[0] * usual, CLIP[1] * usual)
    return gradients * torch.where(norms > 0, wanted / norms.clamp_min(1e-30), 0.0)


def locations_of(model: LanguageModel, names: set[str]) -> list[WeightLocation]:
    """Return where the weights of some names are."""
    return [site for site in model.sites if site.target.name in names]


def _unique(sites: Iterable[WeightLocation]) -> Sequence[WeightLocation]:
    return list({site.target.name: site for site in sites}.values())


def _unused_error(name: str) -> CompressionError:
    return CompressionError(
        f"{name} was not used while the model read the calibration text, so nothing is "
        "known about its inputs."
    )


def consuming_layer(module: nn.Module, site: WeightLocation) -> str:
    """Return the path of the layer that multiplies by a weight.

    Raises:
        CompressionError: None does.
    """
    for path in site.modules:
        if not isinstance(module.get_submodule(path), nn.Embedding):
            return path
    raise CompressionError(
        f"{site.target.name} is only looked up and multiplies nothing, so it has no inputs to "
        "gather statistics of."
    )
