"""Calibration statistics of a weight.

Only the fields that the chosen methods need are collected.
"""

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
"""Called with a name and a function that computes its tensors; returns them, cached if possible."""


def _nothing(name: str) -> Tensor | None:
    return None


def _make(name: str, compute: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    return compute()


@dataclass(frozen=True)
class Statistics:
    """Calibration statistics of one target, or of several targets stacked by rows.

    Attributes:
        num_tokens: Number of calibration tokens.
        row_counts: `[rows]`, how often each token of an embedding or LM head occurred.
        second_moment: `[cols, cols]`, mean of x xᵀ over the layer's inputs x.
        mean: `[cols]`, mean of x.
        output_gradient: `[rows, rows]`, or `[members, n, n]` for a stack of members with n rows
            each, mean of g gᵀ over tokens, where g is the norm-clipped gradient of the text's
            negative log-likelihood with respect to the layer's output.
        lookup_gradient: `[cols, cols]`, the same for the output of an embedding lookup.
        logit_variance: `[rows]`, mean of p (1 − p) over predictions, where p is the predicted
            probability of a token: the curvature of the loss with respect to its logit.
        fisher: `[rows]`, Σ over examples and columns of the squared gradient of an example's
            log-likelihood.
        sensitivity: `[rows]`, the same sum of the gradient's absolute value.
        fisher_probability: `[rows]`, like `fisher`, but for an example's mean probability: the
            variant that Banaei et al. 2023 computed.
        sensitivity_probability: `[rows]`, like `sensitivity`, but for the mean probability.
        perplexity: Returns the perplexity on calibration text of the model with only this weight
            replaced; for methods that select by it.
        read: Returns a field that is stored on disk and not loaded yet.
        memo: Caches, by name, expensive results computed from this weight and these statistics.
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
        """Return whether a field is available."""
        return self.get(name) is not None

    def get(self, name: str) -> Any:
        """Return a field, or None if it was not collected."""
        value = getattr(self, name)
        return self.read(name) if value is None else value

    def require(self, name: str) -> Any:
        """Return a required field.

        Raises:
            CompressionError: It was not collected.
        """
        value = self.get(name)
        if value is None:
            raise CompressionError(
                f"This method needs the statistic {name}, which was not collected from calibration "
                "text. Use compress_model, or fill in Statistics."
            )
        return value

    def averaged_with(self, second_moment: Tensor, mean: Tensor) -> Statistics:
        """Return these statistics with the input moments averaged with those of other inputs.

        The result is used with an adjusted weight, so `memo` no longer caches.

        Args:
            second_moment: `[cols, cols]`, of the other inputs.
            mean: `[cols]`, of the other inputs.
        """
        moments: dict[str, Any] = {}
        for name, other in (("second_moment", second_moment), ("mean", mean)):
            moment = self.get(name)
            moments[name] = other if moment is None else (moment + other.to(moment.device)) / 2
        return replace(self, **moments, memo=_make)


KINDS = frozenset(one.name for one in fields(Statistics)) - {"num_tokens", "read", "memo"}
"""The fields that `Method.required_statistics` may name."""

MOMENTS = ("second_moment", "mean")
"""Collected from a layer's inputs."""

OUTPUT_GRADIENT = "output_gradient"
LOOKUP_GRADIENT = "lookup_gradient"
LOGIT_VARIANCE = "logit_variance"
CURVATURES = (OUTPUT_GRADIENT, LOOKUP_GRADIENT, LOGIT_VARIANCE)
"""Second derivatives of the loss with respect to the outputs of a weight."""

OBSERVED = (*MOMENTS, *CURVATURES)
"""Collected together in one forward pass, plus one backward pass for gradients."""


LAYER_CURVATURE = frozenset({"second_moment", OUTPUT_GRADIENT})
"""The fields for the curvature of a layer other than an embedding or LM head."""


INPUT_SHRINKAGE = 0.1
OUTPUT_SHRINKAGE = 0.3
TABLE_SHRINKAGE = 0.01
TOKEN_SHRINKAGE = 0.5
"""Shrinkage of C and G of a layer, and of C and the token diagonal of an embedding, towards their
means."""

LOOKED_UP = frozenset({"row_counts", LOOKUP_GRADIENT})
"""The fields for the curvature of an embedding lookup."""


def curvature_needs(target: Target) -> frozenset[str]:
    """Return the fields of `Statistics` from which a target's curvature is computed."""
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
"""Collected from gradients of either objective: Σ of squares, Σ of absolute values."""

GATHERED = frozenset({*OBSERVED, *(name for names in GRADIENTS.values() for name in names)})
"""The fields that take forward or backward passes over the text."""


def stack_statistics(members: Sequence[Statistics]) -> Statistics:
    """Return the statistics of weights stacked by rows, from those of each weight.

    Row statistics are concatenated. Input statistics are averaged over the members, because the
    stack is compressed as one matrix: the means and the covariances, so that differences between
    the members' means do not count as variance.
    """
    import torch

    if len(members) == 1:
        return members[0]
    stacked: dict[str, Any] = {"num_tokens": max(member.num_tokens for member in members)}
    for name in GATHERED:
        values = [member.get(name) for member in members]
        if any(value is None for value in values):
            continue
        stacked[name] = _join(name, values)
    if "second_moment" in stacked and "mean" in stacked:
        means = torch.stack([member.require("mean") for member in members])
        between = means.T @ means / len(members) - stacked["mean"][:, None] * stacked["mean"]
        stacked["second_moment"] = stacked["second_moment"] - between
    return Statistics(**stacked)


def _join(name: str, values: Sequence[Tensor]) -> Tensor:
    import torch

    joined: Tensor
    if name in (*MOMENTS, LOOKUP_GRADIENT):
        joined = torch.stack(list(values)).mean(0)
    elif name == OUTPUT_GRADIENT:
        # Cross-moments between layers are not collected and not used. Blocks save memory: as one
        # matrix, those of thirty layers would take gigabytes.
        same_shape = len({value.shape for value in values}) == 1
        joined = torch.stack(list(values)) if same_shape else torch.block_diag(*values)
    else:
        joined = torch.cat(list(values))
    return joined


def count_rows(ids: Tensor, rows: int) -> Tensor:
    """Count the occurrences of each token.

    Args:
        ids: Token ids, any shape.
        rows: Vocabulary size.

    Returns:
        `[rows]` counts.
    """
    return ids.flatten().bincount(minlength=rows)[:rows]
