"""Precompute loss curves and spectra of a model, for forecasts without a run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from compress_lib.errors import CompressionError
from compress_lib.methods import METHODS
from compress_lib.methods.rate_distortion import OperatingPoint
from compress_lib.models.targets import TABLES, Target
from compress_lib.plan.allocation import Assignment, allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.utils.progress import Event, Report, ignore, subrange

if TYPE_CHECKING:
    from compress_lib.data.calibration_text import Calibration
    from compress_lib.models.loading import LanguageModel

EVEN_POINTS = 24
"""Evenly spaced points kept per curve, in addition to those near its end."""


def measure_curves(
    model: LanguageModel,
    text: Calibration,
    names: Collection[str],
    report: Report = ignore,
) -> dict[str, Any]:
    """Return the loss curves of methods, in the format of `forecast.load_curves`.

    Args:
        model: The model.
        text: Calibration text for the curvature of the loss.
        names: Names of methods.
        report: Receives progress events for every method and target; may raise `StoppedError`.
    """
    import numpy as np

    from compress_lib.compression.calibration.collect import collect_statistics
    from compress_lib.compression.target_compressor import TargetCompressor
    from compress_lib.methods.statistics import GATHERED
    from compress_lib.utils.parallel import map_ordered

    assignments = list(_assignments(model.targets, names))
    needs: dict[str, frozenset[str]] = {}
    for item in assignments:
        name = item.targets[0].name
        needs[name] = needs.get(name, frozenset()) | (
            item.required_statistics_for(item.targets[0]) & GATHERED
        )
    compressor = TargetCompressor(
        model, text, collect_statistics(model, needs, text, subrange(report, 0.0, 0.3))
    )
    arrays = {}
    part = subrange(report, 0.3, 1.0)
    work = compressor.work_items(assignments)
    with closing(map_ordered(compressor.curve, work, part)) as curves:
        for item, points in zip(assignments, curves, strict=True):
            curve = np.array(_thin(item, points), dtype=np.float32)
            if len(curve):
                arrays[f"{item.method.name}/{item.name}"] = curve.T.copy()
    return arrays


def curved_methods() -> list[str]:
    """Return the methods with precomputed curves: not controls, and none that train for hours."""
    return [name for name, one in METHODS.items() if not one.is_control and not one.iterative]


def _assignments(targets: Sequence[Target], names: Collection[str]) -> Iterator[Assignment]:
    """Yield an assignment that allocates by loss for every method and applicable target."""
    for name in names:
        for pattern in (*TABLES, "*layers*"):
            rule = Rule(pattern=pattern, method=name, keep=1.0, allocation="automatic")
            try:
                yield from allocate(Plan(rules=(rule,)), targets)
            except CompressionError:
                continue


def _thin(item: Assignment, points: Sequence[OperatingPoint]) -> list[tuple[float, float]]:
    """Return a thinned curve as pairs of rank (or bytes, without a rank) and loss."""
    itemsize = item.targets[0].itemsize
    loss_of: dict[float, float] = {}
    for point in sorted(points, key=lambda point: point.nbytes):
        preview = item.method.preview(item.shape, budget=point.nbytes, itemsize=itemsize)
        size = preview.rank if preview.rank is not None else point.nbytes
        loss_of[float(size)] = point.loss
    pairs = sorted(loss_of.items())
    last = len(pairs) - 1
    evenly = {round(index * last / (EVEN_POINTS - 1)) for index in range(EVEN_POINTS)}
    # Near the full rank, the loss falls by orders of magnitude.
    ending = {last - 2**power for power in range(last.bit_length()) if 2**power <= last}
    return [pairs[index] for index in sorted(evenly | ending)]


def measure_spectra(model: LanguageModel, report: Report = ignore) -> dict[str, Any]:
    """Return the singular values of every matrix, descending, as float16 arrays `[k]`.

    Half precision keeps three digits and a small file.

    Args:
        model: The model.
        report: Receives progress events for every matrix; may raise `StoppedError`.
    """
    import torch

    from compress_lib.models.surgery import read_weight

    spectra: dict[str, Any] = {}
    for index, site in enumerate(model.sites):
        report(Event(index / len(model.sites), f"{site.target.name}: singular values"))
        weight = read_weight(model.module, site, model.dtype).double()
        gram = weight.T @ weight if weight.shape[0] >= weight.shape[1] else weight @ weight.T
        values = torch.linalg.eigvalsh(gram).flip(0).clamp_min(0).sqrt()
        spectra[site.target.name] = values.to(torch.float16).cpu().numpy()
    return spectra
