"""Loss curves and spectra measured in advance, for forecasts without a run."""

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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compress_lib.models.loading import LanguageModel

EVEN_POINTS = 24
"""Of each curve, beside those near its end."""


def measure_curves(
    model: LanguageModel,
    text: Calibration,
    names: Collection[str],
    report: Report = ignore,
) -> dict[str, Any]:
    """Return the curves of methods, as `load_curves` has them.

    Args:
        model: The model.
        text: Tells the curvature.
        names: Of the methods.
        report: Told about every method and target; may raise `StoppedError`.
    """
    import numpy as np

    from compress_lib.compression.calibration.collect import collect_statistics
    from compress_lib.compression.target_compressor import TargetCompressor
    from compress_lib.methods.statistics import GATHERED
    from compress_lib.utils.parallel import map_ordered

    asked = list(_askable(model.targets, names))
    needs: dict[str, frozenset[str]] = {}
    for item in asked:
        name = item.targets[0].name
        needs[name] = needs.get(name, frozenset()) | (
            item.required_statistics_for(item.targets[0]) & GATHERED
        )
    bench = TargetCompressor(
        model, text, collect_statistics(model, needs, text, subrange(report, 0.0, 0.3))
    )
    found = {}
    part = subrange(report, 0.3, 1.0)
    with closing(map_ordered(bench.curve, bench.work_items(asked), part)) as curves:
        for item, points in zip(asked, curves, strict=True):
            curve = np.array(_thin(item, points), dtype=np.float32)
            if len(curve):
                found[f"{item.method.name}/{item.name}"] = curve.T.copy()
    return found


def curved_methods() -> list[str]:
    """Return the methods whose curves are worth keeping: what trains takes hours for all sizes."""
    return [name for name, one in METHODS.items() if not one.is_control and not one.iterative]


def _askable(targets: Sequence[Target], names: Collection[str]) -> Iterator[Assignment]:
    """Yield methods for every target that they know, as if bytes were to be shared out."""
    for name in names:
        for pattern in (*TABLES, "*layers*"):
            rule = Rule(pattern=pattern, method=name, keep=1.0, allocation="automatic")
            try:
                yield from allocate(Plan(rules=(rule,)), targets)
            except CompressionError:
                continue


def _thin(item: Assignment, points: Sequence[OperatingPoint]) -> list[tuple[float, float]]:
    """Return a curve's places and losses, few enough to be kept."""
    itemsize = item.targets[0].itemsize
    placed: dict[float, float] = {}
    for point in sorted(points, key=lambda point: point.nbytes):
        preview = item.method.preview(item.shape, budget=point.nbytes, itemsize=itemsize)
        place = preview.rank if preview.rank is not None else point.nbytes
        placed[float(place)] = point.loss
    pairs = sorted(placed.items())
    last = len(pairs) - 1
    evenly = {round(index * last / (EVEN_POINTS - 1)) for index in range(EVEN_POINTS)}
    # Towards the full rank losses fall by powers.
    ending = {last - 2**power for power in range(last.bit_length()) if 2**power <= last}
    return [pairs[index] for index in sorted(evenly | ending)]


def measure_spectra(model: LanguageModel, report: Report = ignore) -> dict[str, Any]:
    """Return the singular values of every matrix, falling, as float16 arrays `[k]`.

    Half precision keeps three digits of each, and the file small.
    """
    import torch

    from compress_lib.models.surgery import read_weight

    found: dict[str, Any] = {}
    for index, site in enumerate(model.sites):
        report(Event(index / len(model.sites), f"{site.target.name}: singular values"))
        weight = read_weight(model.module, site, model.dtype).double()
        small = weight.T @ weight if weight.shape[0] >= weight.shape[1] else weight @ weight.T
        values = torch.linalg.eigvalsh(small).flip(0).clamp_min(0).sqrt()
        found[site.target.name] = values.to(torch.float16).cpu().numpy()
    return found
