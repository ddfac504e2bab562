"""A model with its texts and its baseline, on which the cells of a study are measured."""

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
"""Of the baseline's logits: those of 2,048 predictions among 49,152 tokens."""


@dataclass(frozen=True)
class StudyContext:
    """What all cells of a study have in common.

    Attributes:
        model: The baseline.
        examples: What is measured on.
        calibration: What is chosen by.
        text: What was measured on, in words.
        digest: SHA-256 of both texts and how much of them is used, to resume by.
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
        """The uncompressed model's perplexity."""
        return self.compare(self.model).baseline.value

    def compare(self, compressed: LanguageModel, report: Report = ignore) -> Comparison:
        """Score a compressed model; the baseline's part is computed once.

        Raises:
            CompressionError: The logits are not finite.
        """
        *_, found = compare(
            self.model,
            compressed,
            self.examples,
            lambda share: report(Event(share, "Measuring perplexity")),
            self._read,
        )
        return found

    def numbers(
        self, compressed: LanguageModel, report: Report = ignore
    ) -> dict[str, float | None]:
        """Return perplexity, its ratio to the baseline, and KL, as the columns of a row."""
        found = self.compare(compressed, report)
        value = found.compressed.value
        return {
            "perplexity": value if math.isfinite(value) else None,
            "ratio": found.ratio.value if math.isfinite(found.ratio.value) else None,
            "kl": found.kl,
        }


def read_study_context(
    model: LanguageModel, evaluation: TextSpec, calibration: TextSpec | None
) -> StudyContext:
    """Read the texts of a study.

    Raises:
        CompressionError: A text is missing, too short, or part of the other.
    """
    judged = read_text(evaluation, "evaluation")
    chosen = read_text(calibration, "calibration") if calibration else None
    examples, text = prepare_texts(
        model, evaluation, judged, calibration or evaluation, chosen, seed=0
    )
    return StudyContext(
        model=model,
        examples=tuple(examples),
        calibration=text,
        text=_in_words(evaluation, judged, calibration, text),
        digest="|".join(
            part
            for text_read, spec in ((judged, evaluation), (chosen, calibration))
            if text_read and spec
            for part in (text_read.digest, str(spec.tokens), str(spec.context), spec.protocol)
        ),
    )


def _in_words(
    evaluation: TextSpec, judged: Text, calibration: TextSpec | None, text: Calibration
) -> str:
    words = f"{evaluation.tokens:,} tokens of {judged.name}, context {evaluation.context}"
    if calibration is None:
        return words
    tokens = sum(map(len, text.input_blocks))
    return f"{words}; calibration on {tokens:,} tokens of {calibration.corpus}"
