"""Grid of "Direction is what you need" (Bałazy et al. 2021), reproduced on any model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from compress_lib.data.text_spec import TextSpec
from compress_lib.methods.autoencoder.presets import LAB, P1
from compress_lib.plan.rule import Rule
from compress_lib.runs.studies.base import register_study
from compress_lib.runs.studies.grid import Grid, MethodVariant
from compress_lib.utils.options import OptionValue, option

RATIOS = (2.5, 5.0, 10.0)

ONLY_COSINE: dict[str, OptionValue] = {"cosine": 1.0, "power_l1": 0.0, "rmse": 0.0}
ONLY_L1: dict[str, OptionValue] = {"cosine": 0.0, "power_l1": 1.0, "rmse": 0.0}
ONLY_RMSE: dict[str, OptionValue] = {"cosine": 0.0, "power_l1": 0.0, "rmse": 1.0}


@register_study
@dataclass(frozen=True, kw_only=True)
class GridP1(Grid):
    """Grid on the embedding at three sizes: SVDs and autoencoders with different losses.

    Rows with the grouping `input only` leave the LM head uncompressed, as in the paper; in all
    other rows, tied embeddings are compressed at both ends.
    """

    name: ClassVar[str] = "p1"
    label: ClassVar[str] = "Direction is what you need (2021), reproduced"
    question: ClassVar[str] = (
        "At equal bytes, which compression of the embedding best preserves directions, and which "
        "best preserves the model's perplexity?"
    )

    quick: bool = option(False, "Quick", "Train for fewer epochs and evaluate on less text.")
    epochs: int = option(
        0, "Epochs", "Epochs per autoencoder; 0 means 12, or 4 if quick (paper: 30).", minimum=0
    )
    seeds: int = option(1, "Seeds", "Seeds of random methods.", minimum=1, maximum=20)

    @property
    def evaluation(self) -> TextSpec:
        """See `Study.evaluation`."""
        return TextSpec(tokens=512 if self.quick else 2048)

    def rules(self) -> Iterator[tuple[MethodVariant, Rule]]:
        """See `Grid.rules`."""
        for ratio in RATIOS:
            for variant in self.variants():
                rule = Rule(
                    pattern="embedding",
                    method=variant.method,
                    keep=1 / ratio,
                    options=variant.options,
                )
                yield variant, rule
                if variant.tied_too:
                    yield variant, replace(rule, tie="input")

    def variants(self) -> Iterator[MethodVariant]:
        """Yield the compared methods."""
        yield MethodVariant("SVD", "svd", tied_too=True)
        yield MethodVariant("row-normalised SVD", "row_normalized_svd", tied_too=True)
        yield MethodVariant("frequency-weighted SVD", "frequency_svd", tied_too=True)
        # Larger batches than the paper's 32 take a fifth of the time without worse results.
        epochs = self.epochs or (4 if self.quick else 12)
        trained: dict[str, OptionValue] = {
            "epochs": epochs,
            "anneal_epochs": max(1, 2 * epochs // 3),
            "batch_size": 512 if self.quick else 128,
            "eval_every": epochs if self.quick else 3,
        }
        best: dict[str, OptionValue] = {"select_best_by": "direction_error"}
        for seed in range(self.seeds):
            for label, options in self._autoencoders(best):
                settings: Mapping[str, OptionValue] = {**options, **trained, "seed": seed}
                if label.endswith("Lab"):
                    settings = {**settings, "latent_epochs": epochs // 2}
                name = label if self.seeds == 1 else f"{label}, seed {seed}"
                yield MethodVariant(name, "autoencoder", settings, tied_too="P1" in label)
            yield MethodVariant("random control", "random_control", {"seed": seed})

    def _autoencoders(
        self, best: Mapping[str, OptionValue]
    ) -> Iterator[tuple[str, Mapping[str, OptionValue]]]:
        yield "autoencoder P1", {**P1}
        yield "autoencoder P1 from the SVD", {**P1, "initialization": "svd"}
        yield "autoencoder, cosine only", {**P1, **ONLY_COSINE, **best}
        yield "autoencoder, L1 only", {**P1, **ONLY_L1, **best}
        yield "autoencoder, RMSE only", {**P1, **ONLY_RMSE, **best}
        yield "autoencoder Lab", {**LAB}
