"""Autoencoder network: linear or multi-layer encoder and decoder, with SVD initialization."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from compress_lib.matrices.autoencoder import ACTIVATIONS
from compress_lib.methods.autoencoder.shape import Shape
from compress_lib.methods.linalg import top_right_vectors

ODD_SLOPE = {"none": 2.0, "leaky_relu": 1.01, "elu": 2.0}
"""(f(a) − f(−a)) ÷ a: the slope of a pair of hidden units with opposite signs."""

ELU_SCALE = 0.2
"""Input scale at which an ELU is nearly linear."""


class Mlp(nn.Module):
    """Multi-layer perceptron: linear layers with an activation between them.

    Args:
        widths: Widths of the input, the hidden layers and the output.
        activation: A name of `ACTIVATIONS`.
        bias: Whether the layers have biases.
        generator: Draws the weights uniformly from ±1 ÷ √inputs, the usual linear layer default.
    """

    def __init__(
        self, widths: Sequence[int], activation: str, *, bias: bool, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Linear(a, b, bias=bias) for a, b in itertools.pairwise(widths)
        )
        self.activation = activation
        self._function = ACTIVATIONS[activation]
        with torch.no_grad():
            for layer in self.linear:
                bound = layer.in_features**-0.5
                for tensor in layer.parameters():
                    tensor.copy_(torch.rand(tensor.shape, generator=generator) * 2 * bound - bound)

    @property
    def linear(self) -> list[nn.Linear]:
        """The linear layers, from input to output."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, inputs]` to `[batch, outputs]`."""
        first, *rest = self.linear
        x = first(x)
        for layer in rest:
            x = layer(self._function(x))
        return x

    def init_as_linear_map(self, matrix: Tensor) -> None:
        """Initialize the network as multiplication by `matrix` `[outputs, inputs]`.

        Each coordinate goes through a pair of hidden units with opposite signs, whose difference
        is linear; the rank is cut to the number of pairs that fit. Spare units start with zero
        output weights and can learn.
        """
        layers = self.linear
        with torch.no_grad():
            for layer in layers:
                if layer.bias is not None:
                    layer.bias.zero_()
            if len(layers) == 1:
                layers[0].weight.copy_(matrix)
                return
            outputs, inputs = matrix.shape
            inner = min(inputs, outputs, *(layer.out_features // 2 for layer in layers[:-1]))
            into, out = _halves(matrix, inner)
            scale = ELU_SCALE if self.activation == "elu" else 1.0
            slope = ODD_SLOPE[self.activation] * scale
            pair = torch.cat([torch.eye(inner), -torch.eye(inner)]).to(matrix)
            self._place(layers[0].weight, scale * pair @ into)
            for layer in layers[1:-1]:
                layer.weight[:, 2 * inner :] = 0
                self._place(layer.weight, scale * pair @ pair.T / slope)
            layers[-1].weight.zero_()
            self._place(layers[-1].weight, out @ pair.T / slope)

    @staticmethod
    def _place(weight: Tensor, block: Tensor) -> None:
        weight[: block.shape[0], : block.shape[1]] = block


def _halves(matrix: Tensor, inner: int) -> tuple[Tensor, Tensor]:
    """Factorize a matrix into `[inner, inputs]` and `[outputs, inner]`, by SVD if truncated."""
    outputs, inputs = matrix.shape
    if inner == inputs:
        return torch.eye(inner).to(matrix), matrix
    if inner == outputs:
        return matrix, torch.eye(inner).to(matrix)
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    return s[:inner, None] * v[:inner], u[:, :inner]


class Autoencoder(nn.Module):
    """Autoencoder that maps rows to latents and back.

    Args:
        shape: Layer sizes.
        activation: Activation between layers, a name of `ACTIVATIONS`.
        latent_activation: Whether the activation is applied to the latent too.
        tanh: Whether the decoder ends with a hyperbolic tangent.
        norms: `none` keeps the norm of decoded rows, `exact` restores the original norm,
            `least_squares` sets the norm with the least squared error: the original norm times
            the cosine.
        unit_rows: Whether rows are normalized to norm 1 before the encoder.
        generator: Draws the weights.
    """

    def __init__(
        self,
        shape: Shape,
        *,
        activation: str,
        latent_activation: bool,
        tanh: bool,
        norms: str,
        unit_rows: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Mlp(
            (shape.cols, *shape.encoder, shape.latent), activation, bias=True, generator=generator
        )
        self.decoder = Mlp(
            (shape.latent, *shape.decoder, shape.cols),
            activation,
            bias=shape.bias,
            generator=generator,
        )
        self.tanh = tanh
        self.norms = norms
        self._unit_rows = unit_rows
        self._latent_function: Callable[[Tensor], Tensor] = ACTIVATIONS[
            activation if latent_activation else "none"
        ]
        self.table: nn.Embedding | None = None

    def start_from_svd(self, rows: Tensor) -> None:
        """Initialize encoder and decoder from the truncated SVD of the rows."""
        inputs = self._normalize(rows)
        basis = top_right_vectors(inputs, self.shape.latent).float()
        self.encoder.init_as_linear_map(basis)
        self.decoder.init_as_linear_map(basis.T.contiguous())

    def train_latents(self, rows: Tensor) -> None:
        """Replace the encoder by a table of latents, which are trained directly from now on."""
        with torch.no_grad():
            latents = self.latents(rows)
        self.table = nn.Embedding.from_pretrained(latents, freeze=False, sparse=True)

    def latents(self, rows: Tensor, ids: Tensor | None = None) -> Tensor:
        """Return the latents `[batch, latent]` of some rows.

        Args:
            rows: `[batch, cols]`; ignored once the latents are trained directly.
            ids: `[batch]` indices of these rows in the matrix; None if `rows` is the full matrix.
        """
        if self.table is not None:
            trained: Tensor = self.table.weight if ids is None else self.table(ids)
            return trained
        return self._latent_function(self.encoder(self._normalize(rows)))

    def decode(self, latents: Tensor, original: Tensor) -> Tensor:
        """Decode latents to rows `[batch, cols]` and restore their norms as `norms` specifies.

        Args:
            latents: `[batch, latent]`.
            original: `[batch, cols]`, the rows that the norms are taken from.
        """
        decoded: Tensor = self.decoder(latents)
        if self.tanh:
            decoded = decoded.tanh()
        if self.norms == "none":
            return decoded
        unit = nn.functional.normalize(decoded, dim=1, eps=1e-12)
        return unit * lengths(unit, original, self.norms)[:, None]

    def _normalize(self, rows: Tensor) -> Tensor:
        return nn.functional.normalize(rows, dim=1, eps=1e-12) if self._unit_rows else rows


def lengths(unit: Tensor, original: Tensor, norms: str) -> Tensor:
    """Return the target norms `[batch]` of decoded rows.

    Args:
        unit: `[batch, cols]`, decoded rows scaled to norm 1.
        original: `[batch, cols]`, the original rows.
        norms: `exact` or `least_squares`; see `Autoencoder`.
    """
    cosines: Tensor = (unit * original).sum(1).clamp_min(0)
    return cosines if norms == "least_squares" else original.norm(dim=1)
