"""Grid of "Revisiting Offline Compression" (Banaei et al. 2023), reproduced on any model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from compress_lib.data.text_spec import TextSpec
from compress_lib.methods.autoencoder.presets import LAB, P2
from compress_lib.plan.rule import GROUPINGS, Rule
from compress_lib.runs.studies.base import register_study
from compress_lib.runs.studies.grid import Grid, MethodVariant
from compress_lib.utils.options import OptionValue, option

RATIOS = (3.0, 10.0, 25.0)
QUICK_RATIOS = (10.0,)
FAMILIES = ("embedding", "key", "ffn_out")


@register_study
@dataclass(frozen=True, kw_only=True)
class GridP2(Grid):
    """Grid on embedding, keys and FFN down projections at three sizes, with all baselines."""

    name: ClassVar[str] = "p2"
    label: ClassVar[str] = "Revisiting offline compression (2023), reproduced"
    question: ClassVar[str] = (
        "At equal bytes, do autoencoders beat factorizations and simple baselines, and does "
        "sharing a decoder or a basis across layers help?"
    )

    quick: bool = option(False, "Quick", "Use one size, fewer epochs and less text.")
    epochs: int = option(
        0,
        "Epochs",
        "Epochs per autoencoder, four times as many for keys; 0 means 8, or 3 if quick (paper: "
        "30).",
        minimum=0,
    )
    seeds: int = option(1, "Seeds", "Seeds of random methods.", minimum=1, maximum=20)

    @property
    def evaluation(self) -> TextSpec:
        """See `Study.evaluation`."""
        return TextSpec(tokens=512 if self.quick else 1024)

    def rules(self) -> Iterator[tuple[MethodVariant, Rule]]:
        """See `Grid.rules`."""
        for family in FAMILIES:
            for ratio in QUICK_RATIOS if self.quick else RATIOS:
                for grouping in GROUPINGS[: 1 if family == "embedding" else 2]:
                    for variant in self.variants(family):
                        if grouping == GROUPINGS[1] and not variant.groups:
                            continue
                        yield (
                            variant,
                            Rule(
                                pattern=family,
                                method=variant.method,
                                keep=1 / ratio,
                                options=variant.options,
                                group=grouping,
                            ),
                        )

    def variants(self, family: str) -> Iterator[MethodVariant]:
        """Yield the compared methods for a module type."""
        yield MethodVariant("SVD", "svd")
        yield MethodVariant("row-normalised SVD", "row_normalized_svd")
        yield MethodVariant("FWSVD", "fisher_svd")
        yield MethodVariant("L1 sensitivity", "sensitivity_svd")
        if family != "embedding":
            yield MethodVariant("DRONE (output PCA)", "output_pca")
        yield MethodVariant("Kronecker", "kronecker")
        yield MethodVariant("Tucker", "tucker")
        yield MethodVariant("magnitude pruning", "magnitude_pruning")
        yield MethodVariant("row quantization", "row_quantization")
        # Keys have few rows: more epochs for as many steps, in still less time.
        epochs = (self.epochs or (3 if self.quick else 8)) * (4 if family == "key" else 1)
        trained: dict[str, OptionValue] = {"epochs": epochs, "eval_every": epochs}
        # The paper's batches of 16 rows take minutes for 49,152 tokens, with no better results.
        if family == "embedding":
            trained["batch_size"] = 512 if self.quick else 128
        for seed in range(self.seeds):
            settings: dict[str, OptionValue] = {**trained, "seed": seed}
            suffix = "" if self.seeds == 1 else f", seed {seed}"
            yield MethodVariant(f"autoencoder P2{suffix}", "autoencoder", {**P2, **settings})
            lab: dict[str, OptionValue] = {**LAB, **settings, "latent_epochs": epochs // 2}
            yield MethodVariant(f"autoencoder Lab{suffix}", "autoencoder", lab)
            yield MethodVariant(f"random control{suffix}", "random_control", {"seed": seed})
