"""Find compressible weights: layer types, families, tied weights and fused projections.

Architectures are recognised by module types and by the last components of module paths
(`q_proj`, `c_attn`, `fc1`, …), never by the name of a model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from compress_lib.models.targets import Target

FAMILY_PATTERNS = (
    # A fused weight of unknown layout is not split, and belongs to no single projection.
    (r"query_key_value$", "other"),
    (r"(q_proj|query|q_lin|wq|q)$", "query"),
    (r"(k_proj|key|k_lin|wk|k)$", "key"),
    (r"(v_proj|value|v_lin|wv|v)$", "value"),
    (r"(o_proj|out_lin|attention\.output\.dense|wo)$", "attention_output"),
    (r"(attn|attention|self_attention)\.(\w+\.)?(out_proj|c_proj|dense|Wo)$", "attention_output"),
    (r"(gate_proj|w1)$", "ffn_gate"),
    (r"(up_proj|gate_up_proj|w3|fc1|fc_in|c_fc|lin1|intermediate\.dense)$", "ffn_in"),
    (r"(dense_h_to_4h|mlp\.Wi)$", "ffn_in"),
    (r"(down_proj|w2|fc2|fc_out|lin2|output\.dense|dense_4h_to_h)$", "ffn_out"),
    (r"(mlp|ffn|feed_forward)\.(c_proj|Wo)$", "ffn_out"),
)
FUSED_CONTIGUOUS = ("attn.c_attn", "self_attn.qkv_proj", "attn.Wqkv")
FUSED_BY_HEAD = (".query_key_value",)
FUSED_FAMILIES = ("query", "key", "value")


@dataclass(frozen=True)
class WeightLocation:
    """Location of one target in a model.

    Attributes:
        target: The weight.
        modules: Paths of all modules that use it.
        part: Its index among the parts of a fused weight.
        sizes: Rows of each part, in order.
        interleave: See `CompressedLinear`.
    """

    target: Target
    modules: tuple[str, ...]
    part: int = 0
    sizes: tuple[int, ...] = ()
    interleave: int | None = None


def find_weights(model: PreTrainedModel, itemsize: int) -> list[WeightLocation]:
    """Find every compressible weight, in the order of the model's modules.

    Args:
        model: Any transformers model.
        itemsize: Bytes of a number in the checkpoint's type.

    Returns:
        One location per weight, or per part of a fused weight; modules that share a weight share
        its location.
    """
    ends = {id(model.get_input_embeddings()): "embedding"}
    if model.get_output_embeddings() is not None:
        ends[id(model.get_output_embeddings())] = "head"
    paths: dict[int, list[str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        if _is_supported(module, ends):
            paths.setdefault(id(module.weight), []).append(path)
    sites: list[WeightLocation] = []
    for names in paths.values():
        module = model.get_submodule(names[0])
        family = ends.get(id(module)) or family_of(names[0])
        sites += _sites_of(model.config, module, tuple(names), family, itemsize)
    return sites


def family_of(path: str) -> str:
    """Return the family of a module, from the last components of its path."""
    for pattern, family in FAMILY_PATTERNS:
        if re.search(rf"(^|[._]){pattern}", path):
            return family
    return "other"


def _is_supported(module: nn.Module, ends: Mapping[int, str]) -> bool:
    if isinstance(module, Conv1D):
        return True
    if isinstance(module, nn.Embedding):
        # Position and token type embeddings are small and stay dense. A subclass may do more than
        # look up rows; only a constant scale is supported.
        plain = type(module) is nn.Embedding or table_scale(module) is not None
        return id(module) in ends and plain
    return isinstance(module, nn.Linear) and type(module).forward is nn.Linear.forward


def table_scale(module: nn.Module) -> float | None:
    """Return the constant factor that an embedding applies to its rows, or None."""
    # Some models keep the scale twice; the buffer is already rounded to the type of the weights.
    scale = getattr(module, "scalar_embed_scale", getattr(module, "embed_scale", None))
    return None if scale is None else float(scale)


def _layer_of(path: str) -> int | None:
    match = re.search(r"\.(\d+)(\.|$)", path)
    return int(match[1]) if match else None


def _sites_of(
    config: Any, module: nn.Module, names: tuple[str, ...], family: str, itemsize: int
) -> list[WeightLocation]:
    rows, cols = torch_layout(module).shape
    layer = _layer_of(names[0])

    def target(suffix: str, family: str, rows: int) -> Target:
        paths = tuple(name + suffix for name in names)
        head_dim = _head_dim(config, family, rows)
        return Target(paths, family, layer, (rows, cols), rows * cols * itemsize, head_dim)

    sizes, interleave = _fused_layout(config, names[0], rows)
    if not sizes:
        return [WeightLocation(target("", family, rows), names, sizes=(rows,))]
    return [
        WeightLocation(target(f".{part}", part, sizes[i]), names, i, sizes, interleave)
        for i, part in enumerate(FUSED_FAMILIES)
    ]


def _head_dim(config: Any, family: str, rows: int) -> int | None:
    """Return the rows per attention head; None if the weight's rows do not form heads."""
    heads, width = (getattr(config, n, None) for n in ("num_attention_heads", "hidden_size"))
    size = getattr(config, "head_dim", None)
    if size is None and isinstance(heads, int) and isinstance(width, int) and heads:
        size = width // heads
    if family not in FUSED_FAMILIES or not isinstance(size, int) or size < 1:
        return None
    return None if rows % size else size


def _fused_layout(config: Any, path: str, rows: int) -> tuple[tuple[int, ...], int | None]:
    """Return the rows of query, key and value in a fused weight, and the heads that interleave."""
    heads = getattr(config, "num_attention_heads", None)
    if heads is None or not path.endswith(FUSED_CONTIGUOUS + FUSED_BY_HEAD):
        return (), None
    multi_query = getattr(config, "multi_query", None)
    groups = getattr(config, "num_key_value_heads", None) or heads
    width, rest = divmod(rows, heads + 2 * groups)
    if rest:
        return (), None
    # Configurations with a multi_query flag interleave by head when it is off.
    if path.endswith(FUSED_CONTIGUOUS) and multi_query is not False:
        return (heads * width, groups * width, groups * width), None
    # Splitting head by head is unambiguous only without grouped queries; else do not split.
    if groups != heads or multi_query or getattr(config, "new_decoder_architecture", False):
        return (), None
    return (rows // 3,) * 3, heads


def torch_layout(module: nn.Module, weight: Tensor | None = None) -> Tensor:
    """Return a weight in torch's Linear layout `[rows, cols]`; Conv1D stores the transpose.

    Args:
        module: The layer.
        weight: A tensor laid out like the layer's weight; the weight itself by default.
    """
    stored: Tensor = module.weight if weight is None else weight  # type: ignore[assignment]
    return stored.T if isinstance(module, Conv1D) else stored
