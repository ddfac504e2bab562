"""What calibration text says about a weight: only what the chosen methods need is gathered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from compress_lib.errors import CompressionError
from compress_lib.models.targets import TABLES

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.matrices import CompressedMatrix
    from compress_lib.models.targets import Target


Memo: TypeAlias = "Callable[[str, Callable[[], Mapping[str, Tensor]]], Mapping[str, Tensor]]"
"""Called with a name and what computes the tensors of that name, unless they are kept."""


def _nothing(name: str) -> Tensor | None:
    return None


def _make(name: str, compute: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    return compute()


@dataclass(frozen=True)
class Statistics:
    """What is known about one target, or about several stacked by rows.

    Attributes:
        num_tokens: How many calibration tokens were seen.
        row_counts: `[rows]`, how often each row of a token table was used.
        second_moment: `[cols, cols]`, mean of x xᵀ over the layer's inputs x.
        mean: `[cols]`, mean of x.
        output_gradient: `[rows, rows]`, or `[members, n, n]` for members of a stack with n rows
            each, mean of g gᵀ over tokens, g being the gradient of the
            text's negative log-likelihood at the layer's output, its length clipped.
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
        read: Gives a field that is kept on disk and was not asked for yet.
        memo: Keeps what is expensive to compute from this weight and these statistics, by name.
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
    read: Callable[[str], Tensor | None] = field(default=_nothing, compare=False)
    memo: Memo = field(default=_make, compare=False)

    def has(self, name: str) -> bool:
        """Tell whether a field was gathered."""
        return self.get(name) is not None

    def get(self, name: str) -> Any:
        """Return a field, or None if it was not gathered."""
        value = getattr(self, name)
        return self.read(name) if value is None else value

    def require(self, name: str) -> Any:
        """Return a field that a method needs.

        Raises:
            CompressionError: It was not gathered.
        """
        value = self.get(name)
        if value is None:
            raise CompressionError(
                f"This method needs {name}, which was not gathered: calibration text is missing. "
                "Use compress_model, or fill in Statistics."
            )
        return value

    def averaged_with(self, second_moment: Tensor, mean: Tensor) -> Statistics:
        """Return the statistics of a layer half of whose inputs have other moments.

        They are for another weight, so that nothing which is computed of them is kept.
        """
        mixed: dict[str, Any] = {}
        for name, other in (("second_moment", second_moment), ("mean", mean)):
            own = self.get(name)
            mixed[name] = other if own is None else (own + other.to(own.device)) / 2
        return replace(self, **mixed, memo=_make)


KINDS = frozenset(one.name for one in fields(Statistics)) - {"num_tokens", "read", "memo"}
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


LAYER_CURVATURE = frozenset({"second_moment", OUTPUT_GRADIENT})
"""What tells the curvature of a weight that multiplies, and is no table of tokens."""


INPUT_SHRINKAGE = 0.1
OUTPUT_SHRINKAGE = 0.3
TABLE_SHRINKAGE = 0.01
TOKEN_SHRINKAGE = 0.5
"""How far C and G of a layer, and C and the tokens of a table, are drawn towards their means."""

LOOKED_UP = frozenset({"row_counts", LOOKUP_GRADIENT})
"""What tells the curvature of a table of tokens where it is looked up."""


def curvature_needs(target: Target) -> frozenset[str]:
    """Return the fields of `Statistics` that tell how much the loss minds an error in a weight."""
    if target.family not in TABLES:
        return LAYER_CURVATURE
    at_head = {"second_moment", LOGIT_VARIANCE}
    if target.tied:
        return LOOKED_UP | at_head
    return frozenset(LOOKED_UP if target.family == "embedding" else at_head)


GRADIENTS = {
    "likelihood": ("fisher", "sensitivity"),
    "probability": ("fisher_probability", "sensitivity_probability"),
}
"""Gathered from gradients, by what the gradient is of: Σ of squares, Σ of absolute values."""

GATHERED = frozenset({*OBSERVED, *(name for names in GRADIENTS.values() for name in names)})
"""What takes passes of the model over the text."""


def stack_statistics(members: Sequence[Statistics]) -> Statistics:
    """Return the statistics of weights stacked by rows, from those of each.

    What belongs to rows is joined. Inputs have no place in a stack that gets one matrix for all,
    so that means over the members stand for them: of the means, and of the covariances, so that
    differences between members' means do not count as variance.
    """
    import torch

    if len(members) == 1:
        return members[0]
    found: dict[str, Any] = {"num_tokens": max(member.num_tokens for member in members)}
    for name in GATHERED:
        values = [member.get(name) for member in members]
        if any(value is None for value in values):
            continue
        found[name] = _join(name, values)
    if "second_moment" in found and "mean" in found:
        means = torch.stack([member.require("mean") for member in members])
        between = means.T @ means / len(members) - found["mean"][:, None] * found["mean"]
        found["second_moment"] = found["second_moment"] - between
    return Statistics(**found)


def _join(name: str, values: Sequence[Tensor]) -> Tensor:
    import torch

    joined: Tensor
    if name in (*MOMENTS, LOOKUP_GRADIENT):
        joined = torch.stack(list(values)).mean(0)
    elif name == OUTPUT_GRADIENT:
        # How gradients of different layers go together is not known, nor would it be used: each
        # has a block of its own. As one matrix, those of thirty layers would take gigabytes.
        alike = len({value.shape for value in values}) == 1
        joined = torch.stack(list(values)) if alike else torch.block_diag(*values)
    else:
        joined = torch.cat(list(values))
    return joined


def count_rows(ids: Tensor, rows: int) -> Tensor:
    """Count how often each token occurs.

    Args:
        ids: Token ids, any shape.
        rows: Size of the vocabulary's table.

    Returns:
        `[rows]` counts.
    """
    return ids.flatten().bincount(minlength=rows)[:rows]
