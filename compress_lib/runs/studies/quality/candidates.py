"""Candidates of `compress-lab bench quality`: the compared methods and settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from compress_lib.methods import METHODS, OptionValue, preset_options
from compress_lib.plan.rule import DENSE, Rule

KEEPS = (0.8, 0.6, 0.5, 0.25, 0.125)
"""Keeps of all weight matrices, including embeddings; norms and biases stay dense."""

# The papers' batches of 32 and 16 rows for 30 epochs would take hours per row. The second paper's
# encoder layers are 8 and 4 times as wide as its latents: an epoch over the default model's
# matrices at keep 0.5 is some 10¹³ floating-point operations, two minutes on two cores.
FASTER_P1: dict[str, OptionValue] = {
    **preset_options("autoencoder", "P1"),
    "epochs": 12,
    "anneal_epochs": 8,
    "batch_size": 512,
    "eval_every": 3,
}
FASTER_P2: dict[str, OptionValue] = {
    **preset_options("autoencoder", "P2"),
    "epochs": 3,
    "batch_size": 512,
    "learning_rate": 6e-3,
    "eval_every": 3,
}

PIVOTED_8: dict[str, OptionValue] = {"storage": "pivoted", "factor_bits": 8}


@dataclass(frozen=True)
class Candidate:
    """A way to compress a whole model.

    Attributes:
        name: The prefix of the names of its rows and files.
        label: The label in the table; it names the method of the embedding if that is another.
        rules: The rules of the plan; `entries` replaces their keep unless `keeps` is empty.
        keeps: One row each; empty if the size follows from the method's options.
        mixed: Whether weights may be quantized to 4 bits although no rule names 4 bits.
    """

    name: str
    label: str
    rules: tuple[Rule, ...]
    keeps: tuple[float, ...] = KEEPS
    mixed: bool = False

    @property
    def four_bit(self) -> bool:
        """Whether weights are, or may be, quantized to 4 bits; see `table.MARK`."""
        built = [rule.build(0) for rule in self.rules if rule.method != DENSE]
        return self.mixed or any(getattr(method, "bits", None) == 4 for method in built)

    def entries(self) -> Iterator[CandidateAtSize]:
        """Yield its rows."""
        if not self.keeps:
            yield CandidateAtSize(self.name, self, None, self.rules)
        for keep in self.keeps:
            yield CandidateAtSize(f"{self.name}-{keep:g}", self, keep, self._rules(keep))

    def _rules(self, keep: float) -> tuple[Rule, ...]:
        return tuple(replace(rule, keep=keep) for rule in self.rules)


@dataclass(frozen=True)
class CandidateAtSize:
    """One row to measure; `keep` is None if the size follows from the method's options."""

    name: str
    candidate: Candidate
    keep: float | None
    rules: tuple[Rule, ...]


def whole(method: str, **more: OptionValue) -> tuple[Rule, ...]:
    """Return the rules that compress all matrices with the same method.

    Args:
        method: The name of the method.
        **more: Its options.
    """
    return (Rule(method=method, keep=1.0, options=more),)


def beside_table(layers: Rule, table: str = "frequency_svd") -> tuple[Rule, ...]:
    """Return rules for a method that does not apply to embeddings.

    Args:
        layers: The rule for the layers.
        table: The method for the embedding.
    """
    return (layers, Rule(pattern="embedding", method=table))


CANDIDATES = (
    Candidate("dense", "Uncompressed", (Rule(method=DENSE),), keeps=()),
    Candidate("svd", "SVD", whole("svd")),
    Candidate(
        "autoencoder-p1",
        "Autoencoder P1, 12 epochs, shared decoders",
        (Rule(method="autoencoder", options=FASTER_P1, group="concatenated"),),
    ),
    Candidate(
        "autoencoder-p2",
        "Autoencoder P2, 3 epochs, shared decoders",
        (Rule(method="autoencoder", options=FASTER_P2, group="concatenated"),),
    ),
    Candidate(
        "output_pca",
        "Output PCA; embedding: frequency-weighted SVD",
        beside_table(Rule(method="output_pca")),
    ),
    Candidate("two_sided_svd", "Two-sided SVD", whole("two_sided_svd")),
    Candidate(
        "two_sided_svd-automatic",
        "Two-sided SVD, allocated by loss",
        (Rule(method="two_sided_svd", allocation="automatic"),),
    ),
    Candidate(
        "two_sided_svd-automatic-pivoted",
        "Two-sided SVD, allocated by loss, pivoted",
        (Rule(method="two_sided_svd", options={"storage": "pivoted"}, allocation="automatic"),),
    ),
    Candidate(
        "two_sided_svd-automatic-pivoted-8",
        "Two-sided SVD, allocated by loss, pivoted, 8-bit factors",
        (Rule(method="two_sided_svd", options=PIVOTED_8, allocation="automatic"),),
    ),
    Candidate(
        "two_sided_svd-automatic-pivoted-8-tiered",
        "Two-sided SVD, allocated by loss, pivoted, 8-bit factors; embedding: tiered quantization",
        beside_table(
            Rule(method="two_sided_svd", options=PIVOTED_8, allocation="automatic"), "tiered"
        ),
    ),
    Candidate(
        "mixed-automatic",
        "Mixed (best method per matrix), allocated by loss",
        (Rule(method="mixed", allocation="automatic"),),
        keeps=(0.8, 0.6, 0.5, 0.4, 0.3, 0.25, 0.125),
        mixed=True,
    ),
    *(
        Candidate(
            f"{name}-tiered-{keep:g}",
            f"{label}; embedding: tiered quantization at keep {keep:g}",
            (
                Rule(method=name, keep=1.0, options=settings),
                Rule(pattern="embedding", method="tiered", keep=keep),
            ),
            keeps=(),
        )
        for name, label, settings, keep in (
            ("int8", "int8", {}, 0.4),
            ("int4", "int4, GPTQ", {"algorithm": "gptq"}, 0.25),
            ("int3", "int3, GPTQ", {"algorithm": "gptq"}, 0.2),
        )
    ),
    Candidate("rows-8", "Row quantization, 8 bits", whole("row_quantization", bits=8), keeps=()),
    Candidate("rows-4", "Row quantization, 4 bits", whole("row_quantization", bits=4), keeps=()),
    *(Candidate(name, name, whole(name), keeps=()) for name in ("int8", "int4", "int3", "int2")),
    *(
        Candidate(f"{name}-gptq", f"{name}, GPTQ", whole(name, algorithm="gptq"), keeps=())
        for name in ("int4", "int3", "int2")
    ),
)
"""Candidates in the order of measurement; `all_candidates` adds the methods missing here."""


def all_candidates() -> tuple[Candidate, ...]:
    """Return `CANDIDATES`, and every other method for whole models with its default options."""
    named = {rule.method for candidate in CANDIDATES for rule in candidate.rules}
    others = (
        Candidate(
            method.name,
            method.label,
            whole(method.name),
            # The size of some methods follows from their options alone.
            keeps=() if method.fixed_size else KEEPS,
        )
        for method in METHODS.values()
        if method.name not in named and method.families is None and not method.is_control
    )
    return (*CANDIDATES, *others)


def quality_entries() -> dict[str, CandidateAtSize]:
    """Return all rows to measure by name, in the order of measurement."""
    return {entry.name: entry for one in all_candidates() for entry in one.entries()}
