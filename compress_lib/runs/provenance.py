"""What a record says of where it comes from: environment, model, and the measured text."""

from __future__ import annotations

import platform

import torch

from compress_lib.data.corpora import Text
from compress_lib.data.examples import Example
from compress_lib.evaluation.likelihood import Comparison
from compress_lib.models.loading import LanguageModel
from compress_lib.results.records import BlockRecord, PerplexityRecord

NATS_PER_BIT = 0.6931471805599453


def environment(model: LanguageModel) -> dict[str, str]:
    """Describe where a run was made."""
    import transformers

    from compress_lib import __version__

    return {
        "compress_lib": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "device": str(model.device),
        "threads": str(torch.get_num_threads()),
        "computed_in": str(model.module.dtype).removeprefix("torch."),
        "stored_as": str(model.dtype).removeprefix("torch."),
    }


def perplexity_record(
    model: LanguageModel,
    comparison: Comparison,
    examples: list[Example],
    context: int,
    text: Text,
    protocol: str,
) -> PerplexityRecord:
    """Return both perplexities with all that makes them comparable."""
    predicted = [str(model.tokenizer.decode(example.labels.tolist())) for example in examples]
    nbytes = max(sum(len(piece.encode()) for piece in predicted), 1)
    return PerplexityRecord(
        baseline=comparison.baseline.value,
        compressed=comparison.compressed.value,
        baseline_stderr=comparison.baseline.stderr,
        compressed_stderr=comparison.compressed.stderr,
        ratio=comparison.ratio.value,
        ratio_stderr=comparison.ratio.stderr,
        tokens=sum(len(example.ids) for example in examples),
        predictions=comparison.predictions,
        context=context,
        corpus=text.name,
        digest=text.digest,
        protocol=protocol,
        blocks=tuple(
            BlockRecord(block.predictions, round(block.compressed_nll, 4), round(block.kl, 6))
            for block in comparison.blocks
        ),
        baseline_bits_per_byte=comparison.nll("baseline") / NATS_PER_BIT / nbytes,
        compressed_bits_per_byte=comparison.nll("compressed") / NATS_PER_BIT / nbytes,
    )
