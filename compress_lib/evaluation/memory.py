"""Checkpoint bytes of a model by component: every tensor once, in its stored dtype."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_lib.models.loading import LanguageModel
from compress_lib.models.stored_tensors import stored_tensors, total_parameters
from compress_lib.models.targets import FAMILIES
from compress_lib.results.records import ComponentRecord, MemoryRecord

REST = "rest"
"""Component of norms, biases and position embeddings."""

FUSED = "query, key, value"
"""Component of fused weights, whose bytes are not split by module type."""


CACHED_TOKENS = (4, 8)
"""Lengths of the two texts whose caches are compared: the growth is the size per token."""


def compare_memory(baseline: LanguageModel, compressed: LanguageModel) -> MemoryRecord:
    """Return the bytes of both models, in total and by component.

    Args:
        baseline: The original.
        compressed: The compressed model.
    """
    before, after = _by_component(baseline, baseline), _by_component(compressed, baseline)
    components = tuple(
        ComponentRecord(name, before[name], after.get(name, 0))
        for name in (*FAMILIES, FUSED, REST)
        if name in before
    )
    cache = cache_bytes(baseline)
    return MemoryRecord(
        sum(before.values()),
        sum(after.values()),
        components,
        cache,
        baseline_parameters=total_parameters(baseline),
        compressed_parameters=total_parameters(compressed),
    )


def cache_bytes(model: LanguageModel) -> int:
    """Return the size of the KV cache per token in bytes, in the checkpoint's dtype.

    It is measured on the caches of two short texts, so it accounts for heads and layers that an
    architecture shares. Masked models have no cache; states of recurrent layers do not count,
    because they do not grow with the context.
    """
    if model.kind == "masked":
        return 0
    sizes = []
    for tokens in CACHED_TOKENS:
        ids = torch.zeros(1, tokens, dtype=torch.long, device=model.device)
        try:
            with torch.inference_mode():
                cache = getattr(model.module(ids, use_cache=True), "past_key_values", None)
        except (TypeError, ValueError):
            # Some hybrid architectures cannot build a cache from tokens alone.
            return 0
        sizes.append(sum(_count_cached(layer) for layer in getattr(cache, "layers", ())))
    per_token = (sizes[1] - sizes[0]) // (CACHED_TOKENS[1] - CACHED_TOKENS[0])
    return int(per_token * model.dtype.itemsize)


def _count_cached(layer: object) -> int:
    """Return how many numbers a layer of a KV cache stores."""
    tensors = (getattr(layer, name, None) for name in ("keys", "values"))
    return sum(part.numel() for part in tensors if isinstance(part, Tensor))


def _by_component(model: LanguageModel, baseline: LanguageModel) -> dict[str, int]:
    """Return stored bytes by component; modules are looked up in the baseline's weights."""
    component_of: dict[str, str] = {}
    for site in baseline.sites:
        for path in site.modules:
            component_of[path] = FUSED if len(site.sizes) > 1 else site.target.family
    totals: dict[str, int] = {}
    for stored in stored_tensors(model):
        component = REST
        path = stored.name
        while "." in path:
            path = path.rpartition(".")[0]
            if path in component_of and stored.name != f"{path}.bias":
                component = component_of[path]
                break
        totals[component] = totals.get(component, 0) + stored.nbytes
    return totals
