"""Singular values of a model's matrices, kept so that errors are known before anything is run.

Knows torch only where they are computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress_lib.methods.low_rank.base import LowRankMethod
from compress_lib.plan.allocation import Assignment
from compress_lib.utils.paths import ASSETS

if TYPE_CHECKING:
    pass

FOLDER = ASSETS / "spectra"
ENDING = ".safetensors"

EXACT = "svd"
"""The method whose error is what its rank leaves out; any other of that rank has a larger one."""


@cache
def load_bundled_arrays(model: str, folder: Path) -> Mapping[str, Any]:
    """Return the arrays that a folder holds of a catalogue model, by name; {} if there are none."""
    from safetensors.numpy import load_file

    file = folder / f"{model}{ENDING}"
    return load_file(file) if "/" not in model and file.is_file() else {}


def load_spectra(model: str, folder: Path = FOLDER) -> Mapping[str, Any]:
    """Return the singular values `[k]` of a catalogue model's matrices, falling; {} if unknown."""
    return load_bundled_arrays(model, folder)


def truncation_error(assigned: list[Assignment], model: str) -> tuple[float, bool] | None:
    """Return the least relative error of a plan's matrices at their ranks, all together.

    Args:
        assigned: What will happen; each matrix by itself, and by rows.
        model: A name of the catalogue.

    Returns:
        ‖W − Ŵ‖ ÷ ‖W‖ over all of them, and whether it is exact and not only a bound from below;
        None where a rank or a spectrum is not known.

    Source: Eckart & Young 1936, doi:10.1007/BF02288367.
    """
    known = load_spectra(model)
    lost = total = 0.0
    for item in assigned:
        values = known.get(item.targets[0].name)
        alone = len(item.targets) == 1 and not item.needs_allocation
        # The latent of an autoencoder is called a rank as well, but it may do better.
        ranked = isinstance(item.method, LowRankMethod) and item.preview.rank is not None
        if values is None or not (alone and ranked):
            return None
        squares = values.astype("float64") ** 2
        lost += float(squares[item.preview.rank :].sum())
        total += float(squares.sum())
    if not total:
        return None
    exact = all(
        item.method.name == EXACT
        and not item.method.option_values()["factor_bits"]
        # What follows compressed layers is first fitted to their outputs.
        and not item.uses_compressed_inputs
        for item in assigned
    )
    return (lost / total) ** 0.5, exact
