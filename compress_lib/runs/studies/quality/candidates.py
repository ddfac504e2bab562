"""What `compress-lab bench quality` compares: a list to add to. Knows no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from compress_lib.methods import METHODS, OptionValue, preset_options
from compress_lib.plan.rule import DENSE, Rule

KEEPS = (0.8, 0.6, 0.5, 0.25, 0.125)
"""Shares of the bytes of all weight matrices, tables included; norms and the like stay."""

# The papers' 32 and 16 rows a step, for 30 epochs, would take hours a row. The second paper's
# encoder is 8 and 4 times as wide as its latents: an epoch over the default model's matrices at
# keep 0.5 is some 10¹³ floating-point operations, two minutes on two cores.
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
        name: Its part in the names of rows and files.
        label: What people read; methods that know no tables need another for these: say so.
        rules: What is done; their keep is filled in, unless their size is their own.
        keeps: One row each; none where the size follows from options.
        mixed: Whether weights may be rounded to 4 bits though no rule says so.
    """

    name: str
    label: str
    rules: tuple[Rule, ...]
    keeps: tuple[float, ...] = KEEPS
    mixed: bool = False

    @property
    def four_bit(self) -> bool:
        """Whether weights are rounded to 4 bits: see `table.MARK`."""
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
    """One row to be measured; `keep` is None where the candidate's size is its own."""

    name: str
    candidate: Candidate
    keep: float | None
    rules: tuple[Rule, ...]


def whole(method: str, **more: OptionValue) -> tuple[Rule, ...]:
    """Return the rules that treat all matrices alike, with options of the method."""
    return (Rule(method=method, keep=1.0, options=more),)


def beside_table(layers: Rule, table: str = "frequency_svd") -> tuple[Rule, ...]:
    """Return rules for a method that knows no token tables: another one compresses those."""
    return (layers, Rule(pattern="embedding", method=table))


CANDIDATES = (
    Candidate("dense", "Uncompressed", (Rule(method=DENSE),), keeps=()),
    Candidate("svd", "SVD", whole("svd")),
    Candidate(
        "autoencoder-p1",
        "Autoencoder P1, 12 epochs, layers share decoders",
        (Rule(method="autoencoder", options=FASTER_P1, group="concatenated"),),
    ),
    Candidate(
        "autoencoder-p2",
        "Autoencoder P2, 3 epochs, layers share decoders",
        (Rule(method="autoencoder", options=FASTER_P2, group="concatenated"),),
    ),
    Candidate(
        "output_pca",
        "Output PCA; table: frequency-weighted SVD",
        beside_table(Rule(method="output_pca")),
    ),
    Candidate("two_sided_svd", "Two-sided SVD", whole("two_sided_svd")),
    Candidate(
        "two_sided_svd-automatic",
        "Two-sided SVD, bytes shared out by loss",
        (Rule(method="two_sided_svd", allocation="automatic"),),
    ),
    Candidate(
        "two_sided_svd-automatic-pivoted",
        "Two-sided SVD, bytes shared out by loss, pivoted",
        (Rule(method="two_sided_svd", options={"storage": "pivoted"}, allocation="automatic"),),
    ),
    Candidate(
        "two_sided_svd-automatic-pivoted-8",
        "Two-sided SVD, bytes shared out by loss, pivoted, factors in 8 bits",
        (Rule(method="two_sided_svd", options=PIVOTED_8, allocation="automatic"),),
    ),
    Candidate(
        "two_sided_svd-automatic-pivoted-8-tiered",
        "Two-sided SVD as before; table: tiers of tokens",
        beside_table(
            Rule(method="two_sided_svd", options=PIVOTED_8, allocation="automatic"), "tiered"
        ),
    ),
    Candidate(
        "mixed-automatic",
        "Best of several, bytes shared out by loss",
        (Rule(method="mixed", allocation="automatic"),),
        keeps=(0.8, 0.6, 0.5, 0.4, 0.3, 0.25, 0.125),
        mixed=True,
    ),
    *(
        Candidate(
            f"{name}-tiered-{keep:g}",
            f"{label}; table: tiers of tokens at keep {keep:g}",
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
    Candidate("rows-8", "Rows in 8 bits", whole("row_quantization", bits=8), keeps=()),
    Candidate("rows-4", "Rows in 4 bits", whole("row_quantization", bits=4), keeps=()),
    *(Candidate(name, name, whole(name), keeps=()) for name in ("int8", "int4", "int3", "int2")),
    *(
        Candidate(f"{name}-gptq", f"{name}, GPTQ", whole(name, algorithm="gptq"), keeps=())
        for name in ("int4", "int3", "int2")
    ),
)
"""In the order in which they are measured. Methods that are nowhere here follow by themselves."""


def all_candidates() -> tuple[Candidate, ...]:
    """Return the list, and every other method for whole models with its usual options."""
    named = {rule.method for candidate in CANDIDATES for rule in candidate.rules}
    others = (
        Candidate(
            method.name,
            method.label,
            whole(method.name),
            # Of some methods the options alone decide the size.
            keeps=() if method.fixed_size else KEEPS,
        )
        for method in METHODS.values()
        if method.name not in named and method.families is None and not method.is_control
    )
    return (*CANDIDATES, *others)


def quality_entries() -> dict[str, CandidateAtSize]:
    """Return all rows by name, in the order in which they are measured."""
    return {entry.name: entry for one in all_candidates() for entry in one.entries()}
