"""What calibration text says about a weight: only what the chosen methods need is gathered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from compress_lib.errors import CompressionError

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.matrices import CompressedMatrix


@dataclass(frozen=True)
class Statistics:
    """What is known about one target, or about several stacked by rows.

    Attributes:
        num_tokens: How many calibration tokens were seen.
        row_counts: `[rows]`, how often each row of a token table was used.
        second_moment: `[cols, cols]`, mean of x xᵀ over the layer's inputs x.
        mean: `[cols]`, mean of x.
        output_gradient: `[rows, rows]`, mean of g gᵀ over tokens, g being the gradient of the text's
            negative log-likelihood at the layer's output, its length clipped.
        lookup_gradient: `[cols, cols]`, the same at what a token table gives the model.
        logit_variance: `[rows]`, mean of p (1 − p) over predictions, p being the probability that
            the model gives a token: the curvature of the loss in the token's logit.
        fisher: `[rows]`, Σ over examples and columns of the squared gradient of an example's
            log-likelihood.
        sensitivity: `[rows]`, the same sum of the gradient's absolute value.
        fisher_probability: `[rows]`, like `fisher`, of an example's mean probability instead: the
            variant that Banaei et al. 2023 computed.
        sensitivity_probability: `[rows]`, like `sensitivity`, of the mean probability.
        perplexity: Gives the perplexity on calibration text of the model in which only this
            weight is replaced; for methods that choose by it.
    """

    num_tokens: int = 0
    row_counts: Tensor | None = None
    second_moment: Tensor | None = None
    mean: Tensor | None = None
    output_gradient: Tensor | None = None
    lookup_gradient: Tensor | None = None
    logit_variance: Tensor | None = None
    fisher: Tensor | None = None
    sensitivity: Tensor | None = None
    fisher_probability: Tensor | None = None
    sensitivity_probability: Tensor | None = None
    perplexity: Callable[[CompressedMatrix], float] | None = None

    def require(self, name: str) -> Any:
        """Return a field that a method needs.

        Raises:
            CompressionError: It was not gathered.
        """
        value = getattr(self, name)
        if value is None:
            raise CompressionError(
                f"This method needs {name}, which was not gathered: calibration text is missing. "
                "Use compress_model, or fill in Statistics."
            )
        return value


KINDS = frozenset(field.name for field in fields(Statistics)) - {"num_tokens"}
"""Everything that a method's `needs` may name."""

MOMENTS = ("second_moment", "mean")
"""Gathered from a layer's inputs."""

OUTPUT_GRADIENT = "output_gradient"
LOOKUP_GRADIENT = "lookup_gradient"
LOGIT_VARIANCE = "logit_variance"
CURVATURES = (OUTPUT_GRADIENT, LOOKUP_GRADIENT, LOGIT_VARIANCE)
"""What tells how much the loss minds an error in what a weight gives."""

OBSERVED = (*MOMENTS, *CURVATURES)
"""Gathered together, in one pass forward and, for gradients, back."""

GRADIENTS = {
    "likelihood": ("fisher", "sensitivity"),
    "probability": ("fisher_probability", "sensitivity_probability"),
}
"""Gathered from gradients, by what the gradient is of: Σ of squares, Σ of absolute values."""

GATHERED = frozenset({*OBSERVED, *(name for names in GRADIENTS.values() for name in names)})
"""What takes passes of the model over the text."""


def stacked(members: Sequence[Statistics]) -> Statistics:
    """Return the statistics of weights stacked by rows, from those of each.

    What belongs to rows is joined. Inputs have no place in a stack that gets one matrix for all,
    so that means over the members stand for them: of the means, and of the covariances, so that
    differences between members' means do not count as variance.
    """
    import torch

    found: dict[str, Any] = {"num_tokens": max(member.num_tokens for member in members)}
    for name in GATHERED:
        values = [getattr(member, name) for member in members]
        if any(value is None for value in values):
            continue
        found[name] = values[0] if len(values) == 1 else _joined(name, values)
    if len(members) > 1 and "second_moment" in found and "mean" in found:
        means = torch.stack([member.require("mean") for member in members])
        between = means.T @ means / len(members) - found["mean"][:, None] * found["mean"]
        found["second_moment"] = found["second_moment"] - between
    return Statistics(**found)


def _joined(name: str, values: Sequence[Tensor]) -> Tensor:
    import torch

    if name in (*MOMENTS, LOOKUP_GRADIENT):
        return torch.stack(list(values)).mean(0)
    if name == OUTPUT_GRADIENT:
        # How gradients of different layers go together is not known, nor would it be used.
        return torch.block_diag(*values)
    return torch.cat(list(values))


def count_rows(ids: Tensor, rows: int) -> Tensor:
    """Count how often each token occurs.

    Args:
        ids: Token ids, any shape.
        rows: Size of the vocabulary's table.

    Returns:
        `[rows]` counts.
    """
    return ids.flatten().bincount(minlength=rows)[:rows]
