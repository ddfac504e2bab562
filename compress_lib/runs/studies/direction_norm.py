"""Perturbation study: direction against norm of the rows, at the same squared error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.data.text_spec import TextSpec
from compress_lib.errors import check_number
from compress_lib.models.targets import select
from compress_lib.runs.studies.base import Study, StudyCell, register_study
from compress_lib.runs.studies.record import Row
from compress_lib.utils.options import option
from compress_lib.utils.progress import Report

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from compress_lib.runs.studies.context import StudyContext

KINDS = {"norm": "only the norm", "direction": "only the direction", "both": "both"}


@register_study
@dataclass(frozen=True, kw_only=True)
class DirectionNorm(Study):
    """Study that moves every row by the same share of its norm, in three kinds of directions.

    Along the row, perpendicular at constant norm, or random. Source: a measurement of the
    motivation of Bałazy et al. 2021, arXiv 2106.08181, Figure 1.
    """

    name: ClassVar[str] = "direction_norm"
    label: ClassVar[str] = "Direction vs. norm"
    question: ClassVar[str] = (
        "At the same squared error, what raises the perplexity more: changing the norm of every "
        "row, its direction, or both at random?"
    )
    columns: ClassVar[Mapping[str, str]] = {
        "ends": "tied ends",
        "perturbed": "perturbed",
        "level": "error ÷ norm",
        "seed": "seed",
        "relative_error": "relative error",
        "direction_error": "direction error",
        "perplexity": "perplexity",
        "ratio": "× baseline",
        "kl": "KL",
    }

    include: str = option("embedding", "Weights", "Pattern that selects the weights.")
    ends: str = option(
        "both,input",
        "Tied embeddings",
        "Perturb embedding and LM head, the input embedding only, or first one, then the other.",
        choices=("both,input", "both", "input"),
    )
    levels: str = option("0.05,0.1,0.2,0.3,0.45,0.6", "Levels", "Error of a row ÷ its norm.")
    seeds: int = option(3, "Seeds", "Number of random seeds.", minimum=1, maximum=50)
    tokens: int = option(1024, "Tokens", "Number of evaluation tokens.", minimum=2)

    @property
    def evaluation(self) -> TextSpec:
        """See `Study.evaluation`."""
        return TextSpec(tokens=self.tokens)

    @property
    def needs_calibration(self) -> bool:
        """See `Study.needs_calibration`: nothing is fitted."""
        return False

    def cells(self, context: StudyContext) -> list[StudyCell]:
        """See `Study.cells`: kinds × levels × seeds."""
        select(context.model.targets, self.include)
        levels = [
            check_number("A level", part, minimum=1e-4, maximum=1.0)
            for part in self.levels.split(",")
        ]
        return [
            StudyCell(
                f"{ends} {kind} {level:g} seed {seed}",
                {"ends": ends, "perturbed": KINDS[kind], "level": level, "seed": seed},
                (ends, kind, level, seed),
            )
            for ends in self._ends(context)
            for level in levels
            for kind in KINDS
            for seed in range(self.seeds)
        ]

    def _ends(self, context: StudyContext) -> list[str]:
        tied = any(target.tied for target in select(context.model.targets, self.include))
        return self.ends.split(",") if tied else ["both"]

    def measure(
        self, context: StudyContext, cells: Iterable[StudyCell], report: Report
    ) -> Iterator[tuple[StudyCell, Row]]:
        """See `Study.measure`."""
        import torch

        from compress_lib.compression.stacking import with_matrices
        from compress_lib.matrices import DenseMatrix
        from compress_lib.matrices.reconstruction_error import direction_error
        from compress_lib.models.surgery import read_weight

        names = {target.name for target in select(context.model.targets, self.include)}
        sites = [site for site in context.model.sites if site.target.name in names]
        for cell in cells:
            ends, kind, level, seed = cell.data
            generator = torch.Generator().manual_seed(seed)
            matrices, direction_errors, error, total = {}, [], 0.0, 0.0
            for site in sites:
                weight = read_weight(context.model.module, site, torch.float32)
                moved = perturb(weight, kind, level, generator)
                direction_errors.append(direction_error(weight, moved))
                error += float((weight - moved).double().square().sum())
                total += float(weight.double().square().sum())
                matrices[site.target.name] = DenseMatrix.from_weight(moved)
            yield (
                cell,
                {
                    "relative_error": (error / total) ** 0.5,
                    "direction_error": float(torch.cat(direction_errors).mean()),
                    **context.numbers(
                        with_matrices(
                            context.model, dict(matrices), names if ends == "input" else ()
                        )
                    ),
                },
            )


def perturb(weight: Tensor, kind: str, level: float, generator: torch.Generator) -> Tensor:
    """Return a weight with every row moved by `level` times its norm.

    Args:
        weight: `[rows, cols]`.
        kind: `norm` scales a row up or down, `direction` rotates it at constant norm, `both` adds
            a random vector.
        level: Norm of the error ÷ norm of the row, at most 1.
        generator: Random generator of signs and directions.
    """
    import torch

    rows = weight.float()
    norms = rows.norm(dim=1, keepdim=True)
    if kind == "norm":
        signs = torch.randint(0, 2, (len(rows), 1), generator=generator).to(rows) * 2 - 1
        return rows * (1 + level * signs)
    noise = torch.randn(rows.shape, generator=generator).to(rows)
    if kind == "both":
        moved: Tensor = rows + level * norms * _unit(noise)
        return moved
    unit = _unit(rows)
    orthogonal = _unit(noise - (noise * unit).sum(1, keepdim=True) * unit)
    # A chord of length ε on the unit circle spans an angle with cos = 1 − ε² ÷ 2.
    cosine = 1 - level**2 / 2
    rotated: Tensor = norms * (cosine * unit + (1 - cosine**2) ** 0.5 * orthogonal)
    return rotated


def _unit(rows: Tensor) -> Tensor:
    """Return rows `[rows, cols]` normalised to norm 1; zero rows stay zero."""
    unit: Tensor = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-30)
    return unit
