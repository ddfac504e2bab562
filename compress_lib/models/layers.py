"""The layers of a compressed model: thin, around compressed matrices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from compress_lib.matrices import CompressedMatrix


class CompressedLinear(nn.Module):
    """A linear layer whose weight is one compressed matrix, or several stacked by rows.

    Args:
        parts: The matrices in order; a fused query-key-value weight has three.
        bias: `[rows]`, or None.
        interleave: For a fused weight whose rows go head by head (all parts of head 0, then of
            head 1, …), the number of heads; None if the parts simply follow each other.
    """

    def __init__(
        self,
        parts: Sequence[CompressedMatrix],
        bias: nn.Parameter | None = None,
        interleave: int | None = None,
    ) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.bias = bias
        self.interleave = interleave
        self.in_features = parts[0].shape[1]
        self.out_features = sum(part.shape[0] for part in parts)

    @property
    def weight(self) -> Tensor:
        """The whole weight `[rows, cols]`, rebuilt at every call: for code that is not ours."""
        columns = [part.to_dense().T for part in self.parts]  # type: ignore[operator]
        return _rebuilt(self._join(columns).T)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[..., cols]` to `[..., rows]`."""
        y = self._join([_output(part, x) for part in self.parts])
        return y if self.bias is None else y + self.bias

    def _join(self, outputs: list[Tensor]) -> Tensor:
        if len(outputs) == 1:
            return outputs[0]
        if self.interleave is None:
            return torch.cat(outputs, dim=-1)
        heads = [y.unflatten(-1, (self.interleave, -1)) for y in outputs]
        return torch.cat(heads, dim=-1).flatten(-2)


class CompressedEmbedding(nn.Module):
    """A token table that decodes only the rows that are looked up.

    Args:
        matrix: `[vocabulary, width]`.
        scale: A factor that the architecture puts on every row, or None.
    """

    def __init__(self, matrix: CompressedMatrix, scale: float | None = None) -> None:
        super().__init__()
        self.matrix = matrix
        self.scale = scale
        self.num_embeddings, self.embedding_dim = matrix.shape

    @property
    def weight(self) -> Tensor:
        """The whole table, rebuilt at every call: for code that is not ours."""
        return _rebuilt(self.matrix.to_dense())

    def forward(self, ids: Tensor) -> Tensor:
        """Map token ids `[...]` to vectors `[..., width]`."""
        found = self.matrix.lookup(ids)
        if self.scale is None:
            return found
        # The scale is rounded to the type of the vectors first, as the original layers do.
        return found * torch.full((), self.scale, dtype=found.dtype, device=found.device)


def _output(part: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(part, CompressedMatrix)
    y = part.linear(x)
    return y if part.bias is None else y + part.bias


def _rebuilt(weight: Tensor) -> Tensor:
    # While loading, some architectures fill weights of their layers with random numbers unless
    # they carry this mark of transformers.
    weight._is_hf_initialized = True  # type: ignore[attr-defined]
    return weight
