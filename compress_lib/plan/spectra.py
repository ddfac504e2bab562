"""Spectra: precomputed singular values that give the error of a low-rank plan before a run.

Does not import torch; `runs.precompute` computes the spectra.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from compress_lib.methods.low_rank.base import LowRankMethod
from compress_lib.plan.allocation import Assignment
from compress_lib.utils.paths import ASSETS

FOLDER = ASSETS / "spectra"
ENDING = ".safetensors"

EXACT = "svd"
"""The method that attains the truncation error; no other method of that rank has a smaller one."""


@cache
def load_bundled_arrays(model: str, folder: Path) -> Mapping[str, Any]:
    """Return the precomputed arrays of a catalogue model by name; {} if there are none.

    Args:
        model: The catalogue name.
        folder: The folder with one file per model.
    """
    from safetensors.numpy import load_file

    file = folder / f"{model}{ENDING}"
    return load_file(file) if "/" not in model and file.is_file() else {}


def load_spectra(model: str, folder: Path = FOLDER) -> Mapping[str, Any]:
    """Return the singular values `[k]`, descending, by matrix of a catalogue model; {} if unknown.

    Args:
        model: The catalogue name.
        folder: The folder with one file per model.
    """
    return load_bundled_arrays(model, folder)


def truncation_error(assigned: list[Assignment], model: str) -> tuple[float, bool] | None:
    """Return the minimum relative error of a plan's matrices at their ranks, over all of them.

    Args:
        assigned: The plan's assignments.
        model: The catalogue name.

    Returns:
        ‖W − Ŵ‖ ÷ ‖W‖ over all matrices, and whether it is exact rather than a lower bound; None
        if a rank or a spectrum is unknown, or an assignment is a group.

    Source: Eckart & Young 1936, doi:10.1007/BF02288367.
    """
    spectra = load_spectra(model)
    truncated = total = 0.0
    for item in assigned:
        values = spectra.get(item.targets[0].name)
        single = len(item.targets) == 1 and not item.needs_allocation
        # An autoencoder reports its latent width as rank, but its error can be lower.
        low_rank = isinstance(item.method, LowRankMethod) and item.preview.rank is not None
        if values is None or not (single and low_rank):
            return None
        squares = values.astype("float64") ** 2
        truncated += float(squares[item.preview.rank :].sum())
        total += float(squares.sum())
    if not total:
        return None
    exact = all(
        item.method.name == EXACT
        and not item.method.option_values()["factor_bits"]
        # Sequential compression approximates an adapted weight, not the original one.
        and not item.uses_compressed_inputs
        for item in assigned
    )
    return (truncated / total) ** 0.5, exact
