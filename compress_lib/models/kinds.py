"""Causal or masked: what a checkpoint's configuration says of how the model predicts.

Told by transformers' own tables of architectures, never by the name of a model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from compress_lib.errors import reason_of

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

LMKind = Literal["causal", "masked"]


def lm_kind(config: PreTrainedConfig) -> LMKind:
    """Tell whether a checkpoint holds a causal or a masked language model.

    Some types have heads of both kinds (an encoder that may be used as a decoder), so the
    architecture that the checkpoint was saved as counts first, then where the type is listed.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

    names = tuple(getattr(config, "architectures", None) or ())
    if any(name.endswith("ForMaskedLM") for name in names):
        return "masked"
    if type(config) not in MODEL_FOR_MASKED_LM_MAPPING:
        return "causal"
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        return "masked"
    # Masked prediction beside another task; read as a decoder it would see what it predicts.
    pretrained = any(name.endswith("ForPreTraining") for name in names)
    return "masked" if pretrained and not getattr(config, "is_decoder", False) else "causal"


def why_unsupported(folder: Path) -> str | None:
    """Say why the model of a folder's `config.json` cannot be loaded; None if it can.

    Told before any weights are there, and without running code of the checkpoint.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING, AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, LookupError, ImportError, StrictDataclassError) as error:
        return reason_of(error)
    if type(config) in MODEL_FOR_CAUSAL_LM_MAPPING or type(config) in MODEL_FOR_MASKED_LM_MAPPING:
        return None
    return f"{config.model_type} is neither a causal nor a masked language model"


def auto_class(kind: LMKind) -> Any:
    """Return the class of transformers that loads models of a kind."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    return AutoModelForMaskedLM if kind == "masked" else AutoModelForCausalLM


def unused_positions(model: PreTrainedModel) -> int:
    """Return how many rows at the start of a position table no token ever uses.

    Where padding has a position of its own, as in the RoBERTa family, counting starts behind it.
    """
    for path, module in model.named_modules():
        if path.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            return 0 if module.padding_idx is None else module.padding_idx + 1
    return 0
