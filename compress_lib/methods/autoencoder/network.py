"""Encoder and decoder: linear, or with hidden layers, which can begin as the best projection."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from compress_lib.matrices.autoencoder import ACTIVATIONS
from compress_lib.methods.autoencoder.shape import Shape
from compress_lib.methods.linalg import top_right_vectors

ODD_SLOPE = {"none": 2.0, "leaky_relu": 1.01, "elu": 2.0}
"""f(a) − f(−a) ÷ a: what a pair of hidden units with opposite signs passes on."""

ELU_SCALE = 0.2
"""An exponential linear unit is nearly linear for inputs this small."""


class Mlp(nn.Module):
    """Linear layers with an activation between them.

    Args:
        widths: Of the input, the hidden layers and the output.
        activation: A name of `ACTIVATIONS`.
        bias: Whether layers have biases.
        generator: Draws the weights, uniform within 1 ÷ √inputs as usual for linear layers.
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
        """The layers."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, inputs]` to `[batch, outputs]`."""
        first, *rest = self.linear
        x = first(x)
        for layer in rest:
            x = layer(self._function(x))
        return x

    def init_as_linear_map(self, matrix: Tensor) -> None:
        """Begin as multiplication by `matrix` `[outputs, inputs]`, of a rank that fits.

        Each coordinate goes through a pair of hidden units with opposite signs, whose difference
        is linear; units that are left over begin without effect, and can learn.
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
    """Return `[inner, inputs]` and `[outputs, inner]` whose product is the matrix."""
    outputs, inputs = matrix.shape
    if inner == inputs:
        return torch.eye(inner).to(matrix), matrix
    if inner == outputs:
        return matrix, torch.eye(inner).to(matrix)
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    return s[:inner, None] * v[:inner], u[:, :inner]


class Autoencoder(nn.Module):
    """Rows to latents and back.

    Args:
        shape: Sizes.
        activation: Between layers.
        latent_activation: Whether the latent passes the activation too.
        tanh: Whether the decoder ends with a hyperbolic tangent.
        norms: `none` leaves decoded rows as they are, `exact` gives them the norm of the original,
            `least_squares` the length with the least squared error: the norm times the cosine.
        unit_rows: Whether the encoder is shown rows of norm one.
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
        """Begin at the best projection of the rows: the answer that training has to beat."""
        given = self._normalize(rows)
        basis = top_right_vectors(given, self.shape.latent).float()
        self.encoder.init_as_linear_map(basis)
        self.decoder.init_as_linear_map(basis.T.contiguous())

    def train_latents(self, rows: Tensor) -> None:
        """From now on learn the latents themselves; the encoder has done its part."""
        with torch.no_grad():
            latents = self.latents(rows)
        self.table = nn.Embedding.from_pretrained(latents, freeze=False, sparse=True)

    def latents(self, rows: Tensor, ids: Tensor | None = None) -> Tensor:
        """Return the latents `[batch, latent]` of rows `[batch, cols]` with the numbers `ids`."""
        if self.table is not None:
            found: Tensor = self.table.weight if ids is None else self.table(ids)
            return found
        return self._latent_function(self.encoder(self._normalize(rows)))

    def decode(self, latents: Tensor, original: Tensor) -> Tensor:
        """Return rows `[batch, cols]` from latents, as long as the original says, if it does."""
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
    """Return how long unit rows `[batch, cols]` are to be made, `[batch]`; see `Autoencoder`."""
    cosines: Tensor = (unit * original).sum(1).clamp_min(0)
    return cosines if norms == "least_squares" else original.norm(dim=1)
