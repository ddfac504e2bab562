"""Model surgery: read weights, clone a model and replace its layers by compressed ones."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from compress_lib.matrices import CompressedMatrix, DenseMatrix
from compress_lib.models.architecture import WeightLocation, table_scale, torch_layout
from compress_lib.models.layer_specs import register_with_transformers
from compress_lib.models.layers import CompressedEmbedding, CompressedLinear


def read_weight(model: PreTrainedModel, site: WeightLocation, dtype: torch.dtype) -> Tensor:
    """Return a copy of a target's weight `[rows, cols]`.

    Args:
        model: The uncompressed model.
        site: Location of the weight.
        dtype: The checkpoint's type.
    """
    module = model.get_submodule(site.modules[0])
    weight = split_like(torch_layout(module), site)
    return weight.detach().to(dtype, copy=True).contiguous()


def matrix_at(model: PreTrainedModel, site: WeightLocation) -> CompressedMatrix | None:
    """Return the compressed matrix stored for a target; None if the weight is uncompressed.

    Args:
        model: A compressed model.
        site: Location of the weight.
    """
    module = model.get_submodule(site.modules[0])
    if isinstance(module, CompressedEmbedding):
        return module.matrix
    part = module.parts[site.part] if isinstance(module, CompressedLinear) else None
    # An uncompressed part of a partly compressed fused weight is stored as a dense matrix.
    return None if part is None or isinstance(part, DenseMatrix) else part  # type: ignore[return-value]


def split_like(weight: Tensor, site: WeightLocation) -> Tensor:
    """Return one target's rows of a fused weight `[rows, cols]`, or all rows if it is not fused.

    Args:
        weight: The full weight, or a tensor with the same rows.
        site: Location of the target.
    """
    if len(site.sizes) <= 1:
        return weight
    return _split_rows(weight, site.sizes, site.interleave)[site.part]


def clone(model: PreTrainedModel) -> PreTrainedModel:
    """Copy the module tree but share all tensors, which takes milliseconds and no memory."""
    shared: dict[int, Any] = {id(tensor): tensor for tensor in model.parameters()}
    shared |= {id(tensor): tensor for tensor in model.buffers()}
    return copy.deepcopy(model, memo=shared)


def install(
    model: PreTrainedModel,
    sites: Sequence[WeightLocation],
    matrices: Mapping[str, CompressedMatrix],
    dtype: torch.dtype,
    input_only: Collection[str] = (),
) -> None:
    """Replace the weights of a model by compressed matrices, in place.

    Args:
        model: The model to change; pass a `clone`.
        sites: Locations of all weights of the model.
        matrices: Compressed matrices by target name; all other weights are unchanged.
        dtype: The checkpoint's type, for the parts of a fused weight that stay dense.
        input_only: Names of tied targets of which only the embedding is replaced, while the LM
            head keeps the original weight.
    """
    modules: dict[str, list[WeightLocation]] = {}
    for site in sites:
        for path in site.modules:
            module = model.get_submodule(path)
            if site.target.name in input_only and not isinstance(module, nn.Embedding):
                continue
            modules.setdefault(path, []).append(site)
    for path, parts in modules.items():
        if not any(site.target.name in matrices for site in parts):
            continue
        old = model.get_submodule(path)
        reference: Tensor = old.weight  # type: ignore[assignment]
        stored = [
            matrices.get(site.target.name)
            or DenseMatrix.from_weight(read_weight(model, site, dtype))
            for site in parts
        ]
        ready = [matrix.to(reference.device, reference.dtype) for matrix in stored]
        model.set_submodule(path, _compressed_module(old, ready, parts[0].interleave))
    register_with_transformers(model)


def _split_rows(weight: Tensor, sizes: Sequence[int], interleave: int | None) -> list[Tensor]:
    if interleave is None:
        return list(weight.split(list(sizes)))
    by_head = weight.unflatten(0, (interleave, -1))
    widths = [size // interleave for size in sizes]
    return [part.flatten(0, 1) for part in by_head.split(widths, dim=1)]


def _compressed_module(
    old: nn.Module, parts: list[CompressedMatrix], interleave: int | None
) -> nn.Module:
    if isinstance(old, nn.Embedding):
        return CompressedEmbedding(parts[0], table_scale(old))
    bias = old.bias
    return CompressedLinear(parts, bias if isinstance(bias, nn.Parameter) else None, interleave)
