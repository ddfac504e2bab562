"""Model kind, causal or masked, from a checkpoint's configuration.

Uses transformers' own architecture mappings, never the name of a model.
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
    """Return whether a checkpoint holds a causal or a masked language model.

    Some model types have heads of both kinds (an encoder that may be used as a decoder), so the
    architecture that the checkpoint was saved as decides first, then transformers' mappings.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

    names = tuple(getattr(config, "architectures", None) or ())
    if any(name.endswith("ForMaskedLM") for name in names):
        return "masked"
    if type(config) not in MODEL_FOR_MASKED_LM_MAPPING:
        return "causal"
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        return "masked"
    # ForPreTraining combines masked prediction with another task; run as a causal decoder, the
    # model would see the tokens that it predicts.
    pretrained = any(name.endswith("ForPreTraining") for name in names)
    return "masked" if pretrained and not getattr(config, "is_decoder", False) else "causal"


def why_unsupported(folder: Path) -> str | None:
    """Return why the model of a folder's `config.json` cannot be loaded, or None if it can.

    Needs no weights, and runs no code of the checkpoint.
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
    """Return the transformers auto class that loads models of a kind."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    return AutoModelForMaskedLM if kind == "masked" else AutoModelForCausalLM


def unused_positions(model: PreTrainedModel) -> int:
    """Return the number of leading rows of the position embedding that no token uses.

    In the RoBERTa family, padding has its own position and counting starts after it.
    """
    for path, module in model.named_modules():
        if path.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            return 0 if module.padding_idx is None else module.padding_idx + 1
    return 0
