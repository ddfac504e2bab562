"""Bytes of a model as a checkpoint stores it: every tensor once, in its stored type."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from compress_lib.matrices import CompressedMatrix
from compress_lib.models import LanguageModel
from compress_lib.results import ComponentRecord, MemoryRecord
from compress_lib.targets import FAMILIES

REST = "rest"
"""Norms, biases and position tables."""

FUSED = "query, key, value"
"""Weights that hold all three, whose bytes are not told apart."""


def stored_tensors(model: LanguageModel) -> Iterator[tuple[str, Tensor, int]]:
    """Yield every tensor of the checkpoint once: its name, itself, its stored bytes."""
    owners: dict[int, CompressedMatrix] = {}
    for module in model.module.modules():
        if isinstance(module, CompressedMatrix):
            for tensor in module.state_dict(keep_vars=True).values():
                owners[id(tensor)] = module
    seen: set[int] = set()
    for name, tensor in model.module.state_dict(keep_vars=True).items():
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        if id(tensor) in owners:
            nbytes = owners[id(tensor)].stored_bytes(tensor)
        else:
            size = model.dtype.itemsize if tensor.is_floating_point() else tensor.element_size()
            nbytes = tensor.numel() * size
        yield name, tensor, nbytes


def total_bytes(model: LanguageModel) -> int:
    """Return the bytes of a model's checkpoint."""
    return sum(nbytes for _, _, nbytes in stored_tensors(model))


CACHED_TOKENS = 4
"""Of the text whose cache is counted."""


def compare_memory(baseline: LanguageModel, compressed: LanguageModel) -> MemoryRecord:
    """Return the bytes of both models, whole and by component."""
    before, after = _by_component(baseline, baseline), _by_component(compressed, baseline)
    components = tuple(
        ComponentRecord(name, before[name], after.get(name, 0))
        for name in (*FAMILIES, FUSED, REST)
        if name in before
    )
    cache = cache_bytes(baseline)
    return MemoryRecord(sum(before.values()), sum(after.values()), components, cache)


def cache_bytes(model: LanguageModel) -> int:
    """Return the bytes that keys and values take for every token of a context, in 16 bits or so.

    Counted from the cache of a short text, whatever heads and layers an architecture shares. A
    masked model keeps none.
    """
    if model.kind == "masked":
        return 0
    with torch.inference_mode():
        ids = torch.zeros(1, CACHED_TOKENS, dtype=torch.long, device=model.device)
        cache = model.module(ids, use_cache=True).past_key_values
    numbers = sum(layer.keys.numel() + layer.values.numel() for layer in cache.layers)
    return int(numbers // CACHED_TOKENS * model.dtype.itemsize)


def _by_component(model: LanguageModel, baseline: LanguageModel) -> dict[str, int]:
    places: dict[str, str] = {}
    for site in baseline.sites:
        for path in site.modules:
            places[path] = FUSED if len(site.sizes) > 1 else site.target.family
    totals: dict[str, int] = {}
    for name, _, nbytes in stored_tensors(model):
        component = REST
        path = name
        while "." in path:
            path = path.rpartition(".")[0]
            if path in places and name != f"{path}.bias":
                component = places[path]
                break
        totals[component] = totals.get(component, 0) + nbytes
    return totals
