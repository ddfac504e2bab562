"""Bytes of a model as a checkpoint stores it: every tensor once, in its stored type."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_lib.models.loading import LanguageModel
from compress_lib.models.stored_tensors import stored_tensors, total_parameters
from compress_lib.models.targets import FAMILIES
from compress_lib.results.records import ComponentRecord, MemoryRecord

REST = "rest"
"""Norms, biases and position tables."""

FUSED = "query, key, value"
"""Weights that hold all three, whose bytes are not told apart."""


CACHED_TOKENS = (4, 8)
"""Of the texts whose caches are counted: what grows between them is the tokens' own."""


def compare_memory(baseline: LanguageModel, compressed: LanguageModel) -> MemoryRecord:
    """Return the bytes of both models, whole and by component."""
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
    """Return the bytes that keys and values take for every token of a context, in 16 bits or so.

    Counted from the cache of a short text, whatever heads and layers an architecture shares. A
    masked model keeps none; states of recurrent layers do not grow with the context.
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
            # Some hybrids want more than tokens for a cache; what they predict needs none.
            return 0
        sizes.append(sum(_count_cached(layer) for layer in getattr(cache, "layers", ())))
    grown = (sizes[1] - sizes[0]) // (CACHED_TOKENS[1] - CACHED_TOKENS[0])
    return int(grown * model.dtype.itemsize)


def _count_cached(layer: object) -> int:
    """Return how many numbers a layer of a cache holds for its tokens."""
    found = (getattr(layer, name, None) for name in ("keys", "values"))
    return sum(part.numel() for part in found if isinstance(part, Tensor))


def _by_component(model: LanguageModel, baseline: LanguageModel) -> dict[str, int]:
    places: dict[str, str] = {}
    for site in baseline.sites:
        for path in site.modules:
            places[path] = FUSED if len(site.sizes) > 1 else site.target.family
    totals: dict[str, int] = {}
    for stored in stored_tensors(model):
        component = REST
        path = stored.name
        while "." in path:
            path = path.rpartition(".")[0]
            if path in places and stored.name != f"{path}.bias":
                component = places[path]
                break
        totals[component] = totals.get(component, 0) + stored.nbytes
    return totals
