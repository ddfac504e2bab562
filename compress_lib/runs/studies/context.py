"""Study context: a model with its texts and its baseline, shared by all cells of a study."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from compress_lib.data.calibration_text import Calibration
from compress_lib.data.corpora import Text, read_text
from compress_lib.data.examples import Example
from compress_lib.data.text_spec import TextSpec
from compress_lib.data.tokenization import prepare_texts
from compress_lib.evaluation.likelihood import Comparison, compare
from compress_lib.evaluation.logits_cache import LogitsCache
from compress_lib.models.loading import LanguageModel
from compress_lib.utils.progress import Event, Report, ignore

KEPT_BYTES = 400_000_000
"""Maximum bytes of cached baseline logits, as of 2,048 predictions over 49,152 tokens."""


@dataclass(frozen=True)
class StudyContext:
    """Model, texts and baseline of a study.

    Attributes:
        model: The baseline.
        examples: The tokenized evaluation text.
        calibration: The calibration text.
        text: Description of both texts.
        digest: SHA-256 digests and sizes of both texts, part of every row's key.
    """

    model: LanguageModel
    examples: tuple[Example, ...]
    calibration: Calibration
    text: str
    digest: str

    @cached_property
    def _read(self) -> LogitsCache:
        return LogitsCache(KEPT_BYTES)

    @cached_property
    def baseline(self) -> float:
        """Perplexity of the uncompressed model."""
        return self.compare(self.model).baseline.value

    def compare(self, compressed: LanguageModel, report: Report = ignore) -> Comparison:
        """Score a compressed model; the baseline's logits are cached.

        Args:
            compressed: The compressed model.
            report: Receives progress events; may raise `StoppedError`.

        Raises:
            CompressionError: The logits are not finite.
        """
        *_, comparison = compare(
            self.model,
            compressed,
            self.examples,
            lambda share: report(Event(share, "Measuring perplexity")),
            self._read,
        )
        return comparison

    def numbers(
        self, compressed: LanguageModel, report: Report = ignore
    ) -> dict[str, float | None]:
        """Return the columns perplexity, ratio to the baseline and KL of a compressed model.

        Args:
            compressed: The compressed model.
            report: Receives progress events; may raise `StoppedError`.
        """
        comparison = self.compare(compressed, report)
        value, ratio = comparison.compressed.value, comparison.ratio.value
        return {
            "perplexity": value if math.isfinite(value) else None,
            "ratio": ratio if math.isfinite(ratio) else None,
            "kl": comparison.kl,
        }


def read_study_context(
    model: LanguageModel, evaluation: TextSpec, calibration: TextSpec | None
) -> StudyContext:
    """Read the texts of a study.

    Args:
        model: The baseline.
        evaluation: The evaluation text.
        calibration: The calibration text, if the study needs one.

    Raises:
        CompressionError: A text is missing or too short, or both texts overlap.
    """
    evaluation_text = read_text(evaluation, "evaluation")
    calibration_text = read_text(calibration, "calibration") if calibration else None
    examples, prepared = prepare_texts(
        model, evaluation, evaluation_text, calibration or evaluation, calibration_text, seed=0
    )
    return StudyContext(
        model=model,
        examples=tuple(examples),
        calibration=prepared,
        text=_describe(evaluation, evaluation_text, calibration, prepared),
        digest="|".join(
            part
            for text, spec in ((evaluation_text, evaluation), (calibration_text, calibration))
            if text and spec
            for part in (text.digest, str(spec.tokens), str(spec.context), spec.protocol)
        ),
    )


def _describe(
    evaluation: TextSpec, text: Text, calibration: TextSpec | None, prepared: Calibration
) -> str:
    description = f"{evaluation.tokens:,} tokens of {text.name}, context {evaluation.context}"
    if calibration is None:
        return description
    tokens = sum(map(len, prepared.input_blocks))
    return f"{description}; calibration on {tokens:,} tokens of {calibration.corpus}"
