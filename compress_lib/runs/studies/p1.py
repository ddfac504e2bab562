"""The grid of "Direction is what you need" (Bałazy et al. 2021) on any model."""

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
    """The token table at three sizes: SVD against autoencoders with different losses.

    The paper measured with the output matrix uncompressed, and so does the part of the grid whose
    grouping says `input only`; a tied table is compressed at both ends otherwise.
    """

    name: ClassVar[str] = "p1"
    label: ClassVar[str] = "Direction is what you need, repeated"
    question: ClassVar[str] = (
        "Which compression of the token table keeps directions, and which keeps the model, at "
        "equal bytes?"
    )

    quick: bool = option(False, "Quick", "Fewer epochs and less text.")
    epochs: int = option(
        0, "Epochs", "Of every autoencoder; 0 is 12, or 4 if quick; the paper has 30.", minimum=0
    )
    seeds: int = option(1, "Seeds", "Repetitions of what is random.", minimum=1, maximum=20)

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
        """Yield what is compared."""
        yield MethodVariant("SVD", "svd", tied_too=True)
        yield MethodVariant("row-normalised SVD", "row_normalized_svd", tied_too=True)
        yield MethodVariant("frequency-weighted SVD", "frequency_svd", tied_too=True)
        # Larger batches than the paper's 32 take a fifth of the time, and do no harm.
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
                own: Mapping[str, OptionValue] = {**options, **trained, "seed": seed}
                if label.endswith("Lab"):
                    own = {**own, "latent_epochs": epochs // 2}
                name = label if self.seeds == 1 else f"{label}, seed {seed}"
                yield MethodVariant(name, "autoencoder", own, tied_too="P1" in label)
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
