"""The compressed modules of a model as JSON, and back: what a checkpoint's config.json says."""

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
"""The name of our format in `quantization_config`, the place transformers gives to formats."""


def describe_modules(model: PreTrainedModel) -> dict[str, Any]:
    """Describe, as JSON, the compressed modules of a model.

    Returns:
        `modules`, by path: how to build each one empty; `shared`: the names of tensors that are
        the same as an earlier one, such as the factors of a tied pair, with that one's name.
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
    """Replace modules by empty compressed ones, in place, as `describe_modules` has them.

    Raises:
        ValueError: The description does not fit the model.
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
                f"its config.json describes a compressed module {path!r} that cannot be built "
                f"({error})"
            ) from error
        model.set_submodule(path, new)


def tie_shared(model: PreTrainedModel, paths: Iterable[str], shared: Mapping[str, str]) -> None:
    """Tell transformers which tensors of compressed modules are one and the same.

    transformers ties weights by name after loading and leaves tied ones out when saving; the
    names of the original tied weights no longer exist, and those of shared factors take their
    place.
    """
    replaced = {f"{path}.weight" for path in paths}
    ties = {
        tied: source
        for tied, source in model.all_tied_weights_keys.items()
        if tied not in replaced and source not in replaced
    }
    ties |= shared
    model.all_tied_weights_keys = ties
    # Read as patterns, and some factors' names begin with others'.
    model._tied_weights_keys = {
        f"{re.escape(tied)}$": f"{re.escape(source)}$" for tied, source in ties.items()
    }


def register_with_transformers(model: PreTrainedModel) -> None:
    """Let transformers' own `save_pretrained` write a checkpoint that can be read again."""
    described = describe_modules(model)
    tie_shared(model, described["modules"], described["shared"])
    model.config.quantization_config = {"quant_method": QUANT_METHOD, **described}


def _matrices(module: CompressedEmbedding | CompressedLinear) -> list[CompressedMatrix]:
    if isinstance(module, CompressedEmbedding):
        return [module.matrix]
    return [part for part in module.parts if isinstance(part, CompressedMatrix)]


def _parameters(module: nn.Module, path: str) -> list[tuple[str, Tensor]]:
    named = module.named_parameters(remove_duplicate=False)
    return [(f"{path}.{name}", tensor) for name, tensor in named]
