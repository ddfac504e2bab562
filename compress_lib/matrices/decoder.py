"""Latents and a decoder with hidden layers: what an autoencoder leaves behind."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from compress_lib.matrices.base import (
    CompressedMatrix,
    check_stored,
    empty,
    register_form,
    rounded,
    stored_type,
)

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "leaky_relu": partial(nn.functional.leaky_relu, negative_slope=0.01),
    "elu": nn.functional.elu,
}
"""What stands between layers, by name."""

CHUNK = 4096
"""Rows decoded at once where the whole matrix is needed."""


@register_form
class DecoderMatrix(CompressedMatrix):
    """Stores latents `[rows, latent]`, the decoder's layers, and perhaps a scale for each row.

    A row is decoded by itself, so that looking up tokens decodes those tokens. Multiplication
    decodes every row's last hidden layer by chunks at every call; the last layer itself is
    applied to the inputs, unless a hyperbolic tangent follows it.

    Args:
        latents: `[rows, latent]`.
        weights: Of the layers, each `[outputs, inputs]`.
        biases: Of the layers, or none at all.
        scale: `[rows]` by which decoded rows are multiplied, or None.
        activation: A name of `ACTIVATIONS`.
        tanh: Whether the decoder ends with a hyperbolic tangent.
        dtype: Of the checkpoint.
    """

    form: ClassVar[str] = "decoder"

    def __init__(
        self,
        latents: nn.Parameter,
        weights: Sequence[nn.Parameter],
        biases: Sequence[nn.Parameter],
        scale: nn.Parameter | None,
        *,
        activation: str,
        tanh: bool,
        dtype: torch.dtype,
    ) -> None:
        super().__init__((latents.shape[0], weights[-1].shape[0]), dtype)
        self.latents = latents
        self.weights = nn.ParameterList(weights)
        self.biases = nn.ParameterList(biases)
        self.scale = scale
        self.activation = activation
        self.tanh = tanh

    @classmethod
    def from_tensors(
        cls,
        latents: Tensor,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor],
        dtype: torch.dtype,
        *,
        activation: str,
        tanh: bool,
        scale: Tensor | None = None,
    ) -> DecoderMatrix:
        """Store tensors, rounded to `dtype`.

        Raises:
            CompressionError: One is not finite, or too large for `dtype`.
        """
        made = cls(
            rounded(latents, dtype),
            [rounded(weight, dtype) for weight in weights],
            [rounded(bias, dtype) for bias in biases],
            None if scale is None else rounded(scale, dtype),
            activation=activation,
            tanh=tanh,
            dtype=dtype,
        )
        check_stored(list(made.parameters()), made.shape, dtype)
        return made

    @property
    def rank(self) -> int:
        """The width of a latent."""
        return self.latents.shape[1]

    @property
    def row_cost(self) -> int:
        """See `CompressedMatrix.row_cost`."""
        return sum(int(weight.numel()) for weight in self.weights)

    @property
    def decode_cost(self) -> int:
        """See `CompressedMatrix.decode_cost`."""
        sizes = [int(weight.numel()) for weight in self.weights]
        return int(self.shape[0]) * sum(sizes if self.tanh else sizes[:-1])

    def rows(self, ids: Tensor) -> Tensor:
        """See `CompressedMatrix.rows`."""
        decoded = self._last(self._hidden(self.latents[ids]))
        return decoded if self.scale is None else decoded * self.scale[ids][..., None]

    def project(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.project`."""
        parts = []
        seen = None if self.tanh else x @ self.weights[-1]
        for ids in torch.arange(self.shape[0], device=x.device).split(CHUNK):
            if seen is None:
                parts.append(x @ self.rows(ids).T)
                continue
            part = seen @ self._hidden(self.latents[ids]).T
            if len(self.biases):
                part = part + (x @ self.biases[-1])[..., None]
            parts.append(part if self.scale is None else part * self.scale[ids])
        return torch.cat(parts, dim=-1)

    def combine(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.combine`; the last layer is applied to the sum."""
        if self.tanh:
            return super().combine(x)
        if self.scale is not None:
            x = x * self.scale
        seen = x.new_zeros(*x.shape[:-1], self.weights[-1].shape[1])
        for ids in torch.arange(self.shape[0], device=x.device).split(CHUNK):
            seen = seen + x[..., ids] @ self._hidden(self.latents[ids])
        found = nn.functional.linear(seen, self.weights[-1])
        return found + x.sum(-1, keepdim=True) * self.biases[-1] if len(self.biases) else found

    def dense(self) -> Tensor:
        """See `CompressedMatrix.dense`."""
        ids = torch.arange(self.shape[0], device=self.latents.device)
        return torch.cat([self.rows(part) for part in ids.split(CHUNK)]).detach()

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix]:
        """See `CompressedMatrix.split_rows`: the parts share the decoder."""
        latents = self.latents.detach().split(list(sizes))
        scales: Sequence[Tensor | None] = [None] * len(latents)
        if self.scale is not None:
            scales = self.scale.detach().split(list(sizes))
        return [
            DecoderMatrix(
                rounded(own, self.dtype),
                list(self.weights),
                list(self.biases),
                None if scale is None else rounded(scale, self.dtype),
                activation=self.activation,
                tanh=self.tanh,
                dtype=self.dtype,
            )
            for own, scale in zip(latents, scales, strict=True)
        ]

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return self._base_spec() | {
            "widths": [self.rank, *(weight.shape[0] for weight in self.weights)],
            "bias": len(self.biases) > 0,
            "scale": self.scale is not None,
            "activation": self.activation,
            "tanh": self.tanh,
        }

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> DecoderMatrix:
        """See `CompressedMatrix.from_spec`."""
        widths, rows = spec["widths"], spec["shape"][0]
        return cls(
            empty(rows, widths[0]),
            [empty(b, a) for a, b in itertools.pairwise(widths)],
            [empty(width) for width in widths[1:]] if spec["bias"] else [],
            empty(rows) if spec["scale"] else None,
            activation=spec["activation"],
            tanh=spec["tanh"],
            dtype=stored_type(spec),
        )

    def _hidden(self, latents: Tensor) -> Tensor:
        """Return the inputs of the last layer `[..., hidden]`."""
        x = latents
        for index, weight in enumerate(list(self.weights)[:-1]):
            bias = self.biases[index] if len(self.biases) else None
            x = ACTIVATIONS[self.activation](nn.functional.linear(x, weight, bias))
        return x

    def _last(self, hidden: Tensor) -> Tensor:
        bias = self.biases[-1] if len(self.biases) else None
        decoded = nn.functional.linear(hidden, self.weights[-1], bias)
        return decoded.tanh() if self.tanh else decoded
