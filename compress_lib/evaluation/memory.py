"""Bytes of a model as a checkpoint stores it: every tensor once, in its stored type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Stored:
    """A tensor of a checkpoint.

    Attributes:
        name: The first that it has.
        tensor: Itself.
        nbytes: What it takes in a file.
        numbers: How many it stands for; see `CompressedMatrix.stored_numbers`.
    """

    name: str
    tensor: Tensor
    nbytes: int
    numbers: int


def stored_tensors(model: LanguageModel) -> Iterator[Stored]:
    """Yield every tensor of the checkpoint once."""
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
        owner, real = owners.get(id(tensor)), tensor.is_floating_point()
        if owner is not None:
            yield Stored(name, tensor, owner.stored_bytes(tensor), owner.stored_numbers(tensor))
            continue
        size = model.dtype.itemsize if real else tensor.element_size()
        yield Stored(name, tensor, tensor.numel() * size, tensor.numel() if real else 0)


def total_bytes(model: LanguageModel) -> int:
    """Return the bytes of a model's checkpoint."""
    return sum(stored.nbytes for stored in stored_tensors(model))


def total_numbers(model: LanguageModel) -> int:
    """Return how many numbers a model is computed from, whatever bits each takes."""
    return sum(stored.numbers for stored in stored_tensors(model))


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
        baseline_parameters=total_numbers(baseline),
        compressed_parameters=total_numbers(compressed),
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
        sizes.append(sum(_cached_numbers(layer) for layer in getattr(cache, "layers", ())))
    grown = (sizes[1] - sizes[0]) // (CACHED_TOKENS[1] - CACHED_TOKENS[0])
    return int(grown * model.dtype.itemsize)


def _cached_numbers(layer: object) -> int:
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
