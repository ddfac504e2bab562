"""JSON specs of compressed modules, as stored in a checkpoint's config.json."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from compress_lib.matrices import CompressedMatrix, matrix_from_spec
from compress_lib.models.layers import CompressedEmbedding, CompressedLinear

if TYPE_CHECKING:
    from transformers import PreTrainedModel

QUANT_METHOD = "compress_lab"
"""Name of our format in `quantization_config`, where transformers looks up formats."""


def describe_modules(model: PreTrainedModel) -> dict[str, Any]:
    """Describe the compressed modules of a model as JSON.

    Returns:
        `modules`: the spec of each module by path, from which it can be built empty; `shared`:
        the name of each tensor that is shared with an earlier one, such as a factor of tied
        embeddings, mapped to the earlier name.
    """
    modules: dict[str, dict[str, Any]] = {}
    shared: dict[str, str] = {}
    first: dict[int, str] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, CompressedEmbedding):
            extra: dict[str, Any] = {"kind": "embedding", "scale": module.scale}
        elif isinstance(module, CompressedLinear):
            extra = {"kind": "linear", "interleave": module.interleave}
        else:
            continue
        modules[path] = {"parts": [part.spec() for part in _matrices(module)], **extra}
        for name, tensor in _parameters(module, path):
            source = first.setdefault(id(tensor), name)
            if source != name:
                shared[name] = source
    return {"modules": modules, "shared": shared}


def install_from_specs(model: PreTrainedModel, modules: Mapping[str, Mapping[str, Any]]) -> None:
    """Replace modules by empty compressed ones, in place.

    Args:
        model: The model to change.
        modules: Specs by path, from `describe_modules`.

    Raises:
        ValueError: A spec is invalid or does not fit the model.
    """
    for path, spec in modules.items():
        try:
            old = model.get_submodule(path)
            parts = [matrix_from_spec(part) for part in spec["parts"]]
            if spec["kind"] == "embedding":
                new: nn.Module = CompressedEmbedding(parts[0], spec["scale"])
            else:
                new = CompressedLinear(parts, getattr(old, "bias", None), spec["interleave"])
        except (AttributeError, LookupError, TypeError, RuntimeError) as error:
            raise ValueError(
                f"the compressed module {path!r} described in its config.json cannot be built "
                f"({error})"
            ) from error
        model.set_submodule(path, new)


def tie_shared(model: PreTrainedModel, paths: Iterable[str], shared: Mapping[str, str]) -> None:
    """Register the shared tensors of compressed modules as tied weights with transformers.

    transformers ties weights by name after loading and omits tied ones when saving. The names of
    the original tied weights no longer exist; the names of shared factors replace them.

    Args:
        model: The model with compressed modules.
        paths: Paths of the compressed modules.
        shared: Shared tensor names from `describe_modules`.
    """
    replaced = {f"{path}.weight" for path in paths}
    ties = {
        tied: source
        for tied, source in model.all_tied_weights_keys.items()
        if tied not in replaced and source not in replaced
    }
    ties |= shared
    model.all_tied_weights_keys = ties
    # transformers reads these as regular expressions, and some names are prefixes of others.
    model._tied_weights_keys = {
        f"{re.escape(tied)}$": f"{re.escape(source)}$" for tied, source in ties.items()
    }


def register_with_transformers(model: PreTrainedModel) -> None:
    """Let transformers' own `save_pretrained` write a checkpoint that can be loaded again."""
    description = describe_modules(model)
    tie_shared(model, description["modules"], description["shared"])
    model.config.quantization_config = {"quant_method": QUANT_METHOD, **description}


def _matrices(module: CompressedEmbedding | CompressedLinear) -> list[CompressedMatrix]:
    if isinstance(module, CompressedEmbedding):
        return [module.matrix]
    return [part for part in module.parts if isinstance(part, CompressedMatrix)]


def _parameters(module: nn.Module, path: str) -> list[tuple[str, Tensor]]:
    named = module.named_parameters(remove_duplicate=False)
    return [(f"{path}.{name}", tensor) for name, tensor in named]
