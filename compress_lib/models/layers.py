"""Linear and embedding layers that wrap compressed matrices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from compress_lib.matrices import CompressedMatrix


class CompressedLinear(nn.Module):
    """Linear layer whose weight is one compressed matrix, or several stacked by rows.

    Args:
        parts: The matrices in order; a fused query-key-value weight has three.
        bias: `[rows]`, or None.
        interleave: Number of heads, for a fused weight whose rows go head by head (all parts of
            head 0, then of head 1, …); None if the parts are concatenated.
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
        """The dense weight `[rows, cols]`, decoded on every access, for third-party code."""
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
    """Embedding that decodes only the rows that are looked up.

    Args:
        matrix: `[vocabulary, width]`.
        scale: Constant factor that the architecture applies to every row, or None.
    """

    def __init__(self, matrix: CompressedMatrix, scale: float | None = None) -> None:
        super().__init__()
        self.matrix = matrix
        self.scale = scale
        self.num_embeddings, self.embedding_dim = matrix.shape

    @property
    def weight(self) -> Tensor:
        """The dense matrix `[vocabulary, width]`, decoded on every access, for third-party code."""
        return _rebuilt(self.matrix.to_dense())

    def forward(self, ids: Tensor) -> Tensor:
        """Map token ids `[...]` to vectors `[..., width]`."""
        rows = self.matrix.lookup(ids)
        if self.scale is None:
            return rows
        # The original layers round the scale to the type of the vectors first.
        return rows * torch.full((), self.scale, dtype=rows.dtype, device=rows.device)


def _output(part: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(part, CompressedMatrix)
    y = part.linear(x)
    return y if part.bias is None else y + part.bias


def _rebuilt(weight: Tensor) -> Tensor:
    # While loading, transformers re-initializes the weights of some architectures unless they
    # carry this flag.
    weight._is_hf_initialized = True  # type: ignore[attr-defined]
    return weight
