"""K-means for product quantization: seeded, in chunks, distances by one matrix product."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FEW = 1024
"""Points whose distances to all centres stay in a processor's cache."""


def kmeans(points: Tensor, count: int, iterations: int, generator: torch.Generator) -> Tensor:
    """Return centres `[count, width]` of points `[n, width]` with little squared error.

    A centre without points takes the place of a point that is far from its own.

    Source: Lloyd 1982, doi:10.1109/TIT.1982.1056489, from a random choice of points.
    """
    chosen = torch.randperm(len(points), generator=generator).to(points.device)
    centres = points[chosen[torch.arange(count, device=points.device) % len(points)]]
    weights = points.new_ones(len(points))
    for _ in range(iterations):
        found, errors = nearest(points, centres)
        centres, used = means(points, weights, found, centres)
        unused = (~used).nonzero()[:, 0]
        far = errors.topk(min(len(unused), len(points))).indices
        centres[unused[: len(far)]] = points[far]
    return centres


def nearest(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Return the number of each point's nearest centre, and the squared distance to it."""
    # |p − c|² = |p|² − 2 p·c + |c|²: but for |p|², one product of (p, 1) and (−2c, |c|²).
    turned = torch.cat([-2 * centres, centres.square().sum(1, keepdim=True)], dim=1).T.contiguous()
    found, errors = [], []
    for some in points.split(FEW):
        least, index = (nn.functional.pad(some, (0, 1), value=1.0) @ turned).min(dim=1)
        found.append(index)
        errors.append(least + some.square().sum(1))
    return torch.cat(found), torch.cat(errors)


def means(points: Tensor, weights: Tensor, found: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weighted means of the points of each centre, and whether it has any.

    Args:
        points: `[n, width]`.
        weights: `[n]`, not negative.
        found: `[n]`, the centre of each point.
        centres: `[count, width]`; those without points stay.
    """
    total = weights.new_zeros(len(centres)).index_add_(0, found, weights)
    sums = torch.zeros_like(centres).index_add_(0, found, weights[:, None] * points)
    used = total > 0
    return torch.where(used[:, None], sums / total.clamp_min(1e-30)[:, None], centres), used
