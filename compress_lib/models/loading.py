"""Load causal and masked language models with their tokenizer and provenance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from compress_lib.errors import CompressionError, ModelUnavailableError, reason_of, unknown_name
from compress_lib.models.architecture import WeightLocation, find_weights
from compress_lib.models.kinds import LMKind, auto_class, lm_kind, unused_positions
from compress_lib.models.sources import Weights, locate
from compress_lib.models.sources.base import FLOATING
from compress_lib.utils.progress import Event, Report, ignore, subrange

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from compress_lib.models.targets import Target

DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class LanguageModel:
    """Loaded language model; immutable.

    Attributes:
        module: The transformers model, in evaluation mode.
        tokenizer: Its tokenizer.
        id: The name that it was requested by.
        source: Readable description of where the weights came from.
        revision: The exact version of the weights.
        dtype: Type of the checkpoint's numbers; computation may use a wider type.
        kind: `causal` predicts the next token, `masked` the masked tokens.
    """

    module: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    id: str
    source: str
    revision: str
    dtype: torch.dtype
    kind: LMKind = "causal"

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.module.device

    @property
    def parameters(self) -> int:
        """Number of parameters; tied ones are counted once."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def max_context(self) -> int | None:
        """Maximum context length in tokens; None if the configuration does not specify it."""
        limit = getattr(self.module.config, "max_position_embeddings", None)
        return int(limit) - unused_positions(self.module) if limit else None

    @cached_property
    def sites(self) -> list[WeightLocation]:
        """Locations of its compressible weights."""
        return find_weights(self.module, self.dtype.itemsize)

    @property
    def targets(self) -> list[Target]:
        """Its compressible weights."""
        return [site.target for site in self.sites]


def choose_device(name: str = "auto") -> torch.device:
    """Return the device to compute on.

    Args:
        name: One of `DEVICES`, or a torch device such as `cuda:1`; `auto` prefers CUDA, then
            MPS, then the CPU.

    Raises:
        CompressionError: The device is unknown, or this machine does not have it.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind = name.partition(":")[0]
    if kind not in DEVICES:
        raise unknown_name("device", name, DEVICES)
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError, ValueError):
        raise CompressionError(
            f"This machine has no usable device {name!r}; use 'cpu', or 'auto' for the best one."
        ) from None


def load_model(
    model: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    report: Report = ignore,
) -> LanguageModel:
    """Load a model by its catalogue name, Hub id, folder or `.gguf` file.

    Args:
        model: Catalogue name, Hub id `owner/name`, folder or `.gguf` file.
        revision: A commit or tag on the Hub; the pinned or newest one if None.
        device: See `choose_device`.
        report: Receives the progress of downloading and loading; may raise `StoppedError`.

    Returns:
        The model in evaluation mode, in float32 on a CPU and in the checkpoint's type on an
        accelerator.

    Raises:
        ModelUnavailableError: No source has it, or the weights cannot be used; the message says
            what to do.
        CompressionError: The device is missing, or the name is unknown.
    """
    place = choose_device(device)
    weights = locate(model, revision=revision, report=subrange(report, 0.0, 0.8))
    report(Event(0.85, f"Loading {model} from {weights.source}"))
    loaded = load_folder(weights, model, place)
    report(Event(1.0, f"Loaded {model} from {weights.source}"))
    return loaded


def load_folder(weights: Weights, model: str, device: torch.device) -> LanguageModel:
    """Load a model from local files.

    Args:
        weights: The files and where they came from.
        model: Name of the model, for error messages and records.
        device: Device to load it to.

    Raises:
        ModelUnavailableError: The files are not a checkpoint of a supported model.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoTokenizer
    from transformers.utils import logging

    # Progress is reported through callbacks instead.
    logging.disable_progress_bar()
    folder = Path(weights.folder)
    safe: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    kind: LMKind = "causal"
    try:
        config = AutoConfig.from_pretrained(folder, **safe)
        kind = lm_kind(config)
        stored = _stored_type(folder, config)
        dtype = torch.float32 if device.type == "cpu" else stored
        module = _read_module(folder, kind, dtype, safe)
        tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
    except (
        OSError,
        ValueError,
        LookupError,
        ArithmeticError,
        RuntimeError,
        ImportError,
        SafetensorError,
        StrictDataclassError,
    ) as error:
        raise ModelUnavailableError(
            f"{model} could not be loaded as a {kind} language model with safetensors weights: "
            f"{reason_of(error)}"
        ) from error
    module.to(device)
    module.eval().requires_grad_(False)
    return LanguageModel(module, tokenizer, model, weights.source, weights.revision, stored, kind)


def _read_module(folder: Path, kind: LMKind, dtype: torch.dtype, safe: dict[str, Any]) -> Any:
    """Load a model and require every weight of its configuration.

    Raises:
        ValueError: A weight is missing or has the wrong shape.
    """
    loaded: Any = auto_class(kind).from_pretrained(
        folder,
        dtype=dtype,
        use_safetensors=True,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
        **safe,
    )
    # transformers would initialize these at random and continue.
    module, info = loaded
    wrong = [*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])]
    if wrong:
        raise ValueError(
            f"its weights do not fit its config.json; the first mismatch is {wrong[0]}"
        )
    return module


def _stored_type(folder: Path, config: Any) -> torch.dtype:
    """Return the type of most of the checkpoint's floating-point numbers."""
    from safetensors import safe_open

    counts: dict[str, int] = {}
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - not a dictionary
                tensor = tensors.get_slice(name)
                kind = tensor.get_dtype()
                size = 1
                for length in tensor.get_shape():
                    size *= length
                counts[kind] = counts.get(kind, 0) + size
    floating = {kind: count for kind, count in counts.items() if kind in FLOATING}
    if floating:
        most_common = max(floating, key=lambda kind: floating[kind])
        dtype: torch.dtype = getattr(torch, FLOATING[most_common])
        return dtype
    raise ValueError("it has no safetensors file with floating-point weights")
