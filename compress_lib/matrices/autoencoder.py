"""Autoencoder storage: per-row latents and a decoder with hidden layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from compress_lib.matrices.base import (
    CompressedMatrix,
    check_stored,
    empty,
    matrix_from_spec,
    register_form,
    round_to,
)
from compress_lib.matrices.dense import DenseMatrix
from compress_lib.matrices.views import split_rows

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "leaky_relu": partial(nn.functional.leaky_relu, negative_slope=0.01),
    "elu": nn.functional.elu,
}
"""Activation functions between layers, by name."""

CHUNK = 4096
"""Rows decoded at once when the full matrix is needed."""


@register_form
class DecoderMatrix(CompressedMatrix):
    """Latents `[rows, latent]`, the decoder's layers, and an optional scale per row.

    Rows are decoded independently, so a lookup decodes only the requested tokens. Multiplication
    recomputes the last hidden layer of every row, in chunks, at every call; the output layer is
    applied to the inputs instead, unless a tanh follows it.

    Args:
        latents: `[rows, latent]`, in any form.
        weights: Layer weights, each `[outputs, inputs]`, in any form.
        biases: Layer biases, or an empty sequence.
        scale: `[rows]`, multiplied with the decoded rows, or None.
        activation: A name in `ACTIVATIONS`.
        tanh: Whether the decoder ends with a tanh.
    """

    name: ClassVar[str] = "decoder"

    def __init__(
        self,
        latents: CompressedMatrix,
        weights: Sequence[CompressedMatrix],
        biases: Sequence[nn.Parameter],
        scale: nn.Parameter | None,
        *,
        activation: str,
        tanh: bool,
    ) -> None:
        super().__init__((latents.shape[0], weights[-1].shape[0]), latents.dtype)
        self.latents = latents
        self.weights = nn.ModuleList(weights)
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
        store: Callable[[Tensor], CompressedMatrix] | None = None,
    ) -> DecoderMatrix:
        """Store tensors, rounded to `dtype`.

        Args:
            latents: `[rows, latent]`.
            weights: Layer weights, each `[outputs, inputs]`.
            biases: Layer biases, or an empty sequence.
            dtype: Checkpoint type.
            activation: A name in `ACTIVATIONS`.
            tanh: Whether the decoder ends with a tanh.
            scale: `[rows]`, or None.
            store: Stores latents and weights in another form; dense by default.

        Raises:
            CompressionError: A tensor is not finite or overflows `dtype`.
        """
        encode = store or (lambda tensor: DenseMatrix.from_weight(tensor.to(dtype)))
        matrix = cls(
            encode(latents),
            [encode(weight) for weight in weights],
            [round_to(bias, dtype) for bias in biases],
            None if scale is None else round_to(scale, dtype),
            activation=activation,
            tanh=tanh,
        )
        check_stored(list(matrix.parameters()), matrix.shape, dtype)
        return matrix

    @property
    def rank(self) -> int:
        """The latent width."""
        return self.latents.shape[1]

    @property
    def layers(self) -> list[CompressedMatrix]:
        """The decoder's layer weights, first layer first."""
        return [weight for weight in self.weights if isinstance(weight, CompressedMatrix)]

    @property
    def row_cost(self) -> int:
        """See `CompressedMatrix.row_cost`."""
        return sum(math.prod(weight.shape) for weight in self.layers)

    @property
    def decode_cost(self) -> int:
        """See `CompressedMatrix.decode_cost`."""
        sizes = [math.prod(weight.shape) for weight in self.layers]
        networks = int(self.shape[0]) * sum(sizes if self.tanh else sizes[:-1])
        return networks + sum(part.decode_cost for part in (self.latents, *self.layers))

    def lookup(self, ids: Tensor) -> Tensor:
        """See `CompressedMatrix.lookup`."""
        decoded = self._last(self._run_hidden(self.latents.lookup(ids)))
        return decoded if self.scale is None else decoded * self.scale[ids][..., None]

    def linear(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.linear`."""
        parts = []
        projected = None if self.tanh else self.layers[-1].matmul(x)
        for ids in torch.arange(self.shape[0], device=x.device).split(CHUNK):
            if projected is None:
                parts.append(x @ self.lookup(ids).T)
                continue
            part = projected @ self._run_hidden(self.latents.lookup(ids)).T
            if len(self.biases):
                part = part + (x @ self.biases[-1])[..., None]
            parts.append(part if self.scale is None else part * self.scale[ids])
        return torch.cat(parts, dim=-1)

    def matmul(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.matmul`; the last layer is applied to the sum."""
        if self.tanh:
            return super().matmul(x)
        if self.scale is not None:
            x = x * self.scale
        hidden = x.new_zeros(*x.shape[:-1], self.layers[-1].shape[1])
        for ids in torch.arange(self.shape[0], device=x.device).split(CHUNK):
            hidden = hidden + x[..., ids] @ self._run_hidden(self.latents.lookup(ids))
        y = self.layers[-1].linear(hidden)
        return y + x.sum(-1, keepdim=True) * self.biases[-1] if len(self.biases) else y

    def to_dense(self) -> Tensor:
        """See `CompressedMatrix.to_dense`."""
        ids = torch.arange(self.shape[0], device=next(self.parameters()).device)
        return torch.cat([self.lookup(part) for part in ids.split(CHUNK)]).detach()

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix]:
        """See `CompressedMatrix.split_rows`: the parts share the decoder."""
        latents = split_rows(self.latents, sizes)
        scales: Sequence[Tensor | None] = [None] * len(latents)
        if self.scale is not None:
            scales = self.scale.detach().split(list(sizes))
        return [
            DecoderMatrix(
                part,
                self.layers,
                list(self.biases),
                None if scale is None else round_to(scale, self.dtype),
                activation=self.activation,
                tanh=self.tanh,
            )
            for part, scale in zip(latents, scales, strict=True)
        ]

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return self._base_spec() | {
            "latents": self.latents.spec(),
            "weights": [weight.spec() for weight in self.layers],
            "bias": len(self.biases) > 0,
            "scale": self.scale is not None,
            "activation": self.activation,
            "tanh": self.tanh,
        }

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> DecoderMatrix:
        """See `CompressedMatrix.from_spec`."""
        weights = [matrix_from_spec(weight) for weight in spec["weights"]]
        return cls(
            matrix_from_spec(spec["latents"]),
            weights,
            [empty(weight.shape[0]) for weight in weights] if spec["bias"] else [],
            empty(spec["shape"][0]) if spec["scale"] else None,
            activation=spec["activation"],
            tanh=spec["tanh"],
        )

    def _run_hidden(self, latents: Tensor) -> Tensor:
        """Return the last hidden layer's outputs `[..., hidden]`."""
        x = latents
        for index, weight in enumerate(self.layers[:-1]):
            bias = self.biases[index] if len(self.biases) else None
            x = ACTIVATIONS[self.activation](nn.functional.linear(x, weight.to_dense(), bias))
        return x

    def _last(self, hidden: Tensor) -> Tensor:
        bias = self.biases[-1] if len(self.biases) else None
        decoded = nn.functional.linear(hidden, self.layers[-1].to_dense(), bias)
        return decoded.tanh() if self.tanh else decoded
