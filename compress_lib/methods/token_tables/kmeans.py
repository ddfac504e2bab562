"""K-means for product quantization: seeded, chunked, distances by one matrix product."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CHUNK = 1024
"""Points per chunk: their distances to all centres fit into the CPU cache."""


def kmeans(points: Tensor, count: int, iterations: int, generator: torch.Generator) -> Tensor:
    """Cluster points with Lloyd's algorithm and return the centres `[count, width]`.

    An empty cluster is re-seeded at one of the points farthest from their centres.

    Args:
        points: `[n, width]`.
        count: Number of centres.
        iterations: Lloyd iterations.
        generator: Draws the initial centres.

    Source: Lloyd 1982, doi:10.1109/TIT.1982.1056489, from a random choice of points.
    """
    chosen = torch.randperm(len(points), generator=generator).to(points.device)
    centres = points[chosen[torch.arange(count, device=points.device) % len(points)]]
    weights = points.new_ones(len(points))
    for _ in range(iterations):
        assignment, errors = nearest(points, centres)
        centres, used = means(points, weights, assignment, centres)
        unused = (~used).nonzero()[:, 0]
        far = errors.topk(min(len(unused), len(points))).indices
        centres[unused[: len(far)]] = points[far]
    return centres


def nearest(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Return the index `[n]` of each point's nearest centre and the squared distance `[n]` to it.

    Args:
        points: `[n, width]`.
        centres: `[count, width]`.
    """
    # |p − c|² = |p|² − 2 p·c + |c|²; all but |p|² is one product of (p, 1) and (−2c, |c|²).
    columns = torch.cat([-2 * centres, centres.square().sum(1, keepdim=True)], dim=1).T.contiguous()
    indices, errors = [], []
    for chunk in points.split(CHUNK):
        least, index = (nn.functional.pad(chunk, (0, 1), value=1.0) @ columns).min(dim=1)
        indices.append(index)
        errors.append(least + chunk.square().sum(1))
    return torch.cat(indices), torch.cat(errors)


def means(
    points: Tensor, weights: Tensor, assignment: Tensor, centres: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the weighted mean of each cluster, and whether it has any weight.

    Args:
        points: `[n, width]`.
        weights: `[n]`, not negative.
        assignment: `[n]`, the centre index of each point.
        centres: `[count, width]`; empty clusters keep theirs.

    Returns:
        Means `[count, width]` and booleans `[count]`.
    """
    total = weights.new_zeros(len(centres)).index_add_(0, assignment, weights)
    sums = torch.zeros_like(centres).index_add_(0, assignment, weights[:, None] * points)
    used = total > 0
    return torch.where(used[:, None], sums / total.clamp_min(1e-30)[:, None], centres), used
