"""Transformers quantizer for our checkpoint format, used by `from_pretrained`.

Imported while transformers itself is only partly imported, so it must import little of it at
module level.

Source of the extension point: transformers, `quantizers/auto.py`, `register_quantizer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from compress_lib.models.layer_specs import QUANT_METHOD, install_from_specs, tie_shared

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@register_quantization_config(QUANT_METHOD)
class CompressLabConfig(QuantizationConfigMixin):
    """The part of `config.json` that describes the compressed modules.

    Args:
        modules: Specs by module path; see `layer_specs.describe_modules`.
        shared: Names of tensors that are shared with an earlier one, mapped to its name.
        provenance: The original model, its revision and its source, for information only.
    """

    def __init__(
        self,
        modules: dict[str, Any] | None = None,
        shared: dict[str, str] | None = None,
        provenance: dict[str, str] | None = None,
        **ignored: Any,
    ) -> None:
        super().__init__(quant_method=QUANT_METHOD)  # type: ignore[arg-type]
        self.modules = modules or {}
        self.shared = shared or {}
        self.provenance = provenance or {}


@register_quantizer(QUANT_METHOD)
class CompressLabQuantizer(HfQuantizer):
    """Quantizer that builds the compressed modules empty before transformers loads the weights."""

    requires_calibration = True
    quantization_config: CompressLabConfig

    def _process_model_before_weight_loading(self, model: PreTrainedModel, **kwargs: Any) -> None:
        install_from_specs(model, self.quantization_config.modules)
        dtype = kwargs.get("dtype") or model.dtype
        for path in self.quantization_config.modules:
            model.get_submodule(path).to(dtype)
        tie_shared(model, self.quantization_config.modules, self.quantization_config.shared)

    def is_serializable(self) -> bool:
        """Return True: a compressed model can be saved."""
        return True

    @property
    def is_trainable(self) -> bool:
        """Whether training is supported: no, because all stored tensors are frozen."""
        return False
