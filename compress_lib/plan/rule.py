"""What happens to which weights: one line of a plan. Knows no torch."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

from compress_lib.data.text_spec import STRICT
from compress_lib.errors import CompressionError, check_integer, check_number, unknown_name
from compress_lib.methods import Method, OptionValue, build_method
from compress_lib.utils.options import modernize

DENSE = "dense"
"""The word for a target that is left as it is."""

MAX_PATTERN = 20_000
"""Characters: every name of a large model fits."""

GROUPINGS = ("separated", "concatenated")
ORIENTATIONS = ("automatic", "rows", "columns")
TIES = ("both", "input")
"""Which ends of a weight that embedding and output share a rule replaces."""

UNIFORM = "uniform"
MEASURED = "measured"
ALLOCATIONS = (UNIFORM, "by_family", "automatic", MEASURED)
ORIGINAL, COMPRESSED = INPUTS = ("original", "compressed")
"""With the inputs of which model a layer is compressed."""

WORDS = {
    "group": GROUPINGS,
    "orientation": ORIENTATIONS,
    "tie": TIES,
    "allocation": ALLOCATIONS,
    "inputs": INPUTS,
}
"""The fields of a rule that are words, with those allowed."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What happens to the targets that a pattern selects.

    Attributes:
        pattern: See `targets.matches`.
        method: A name of `METHODS`, or `dense`.
        keep: Bytes after ÷ bytes before, of each selected target.
        options: Options of the method that differ from their defaults.
        group: `separated` compresses each matrix by itself; `concatenated` stacks the matrices of
            a family, so that they share a decoder or a basis.
        window: Layers in a concatenated group; 0 takes all layers.
        orientation: Whether `rows` or `columns` are the data; `automatic` takes what leaves the
            larger rank or latent within the budget.
        tie: Of a table that input and output share, `both` ends read the compressed one; with
            `input` the output keeps the original beside it, which makes the model bigger, as
            Bałazy et al. 2021 measured.
        allocation: With `uniform` every selected target keeps `keep` of its bytes. Otherwise they
            do so together, and the share of each is chosen by the estimated loss: with
            `by_family` one for all targets of a family, with `automatic` each target's own, and
            with `measured` that again, after families were tried one by one.
            Either may leave targets dense.
        inputs: With `compressed` layers are compressed block by block, each with the inputs that
            it gets in the model compressed so far, so that its outputs stay near those of the
            original model: see `sequential`. Tables of tokens are compressed as usual. A matrix
            is then no longer meant to be near the original one, which is what its errors in the
            record are against.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    pattern: str = "*"
    method: str = "svd"
    keep: float = 0.5
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    group: str = "separated"
    window: int = 0
    orientation: str = "automatic"
    tie: str = "both"
    allocation: str = UNIFORM
    inputs: str = ORIGINAL

    def __post_init__(self) -> None:
        for name, allowed in WORDS.items():
            if getattr(self, name) not in allowed:
                raise unknown_name(name, str(getattr(self, name)), allowed)
        if len(self.pattern) > MAX_PATTERN:
            raise CompressionError(
                f"A pattern may have at most {MAX_PATTERN:,} characters, not {len(self.pattern):,}."
            )
        window = check_integer("window", self.window, minimum=0)
        # Alone, a matrix has no window: the same numbers must have the same key.
        object.__setattr__(self, "window", window if self.group == GROUPINGS[1] else 0)
        if self.method == DENSE:
            for name, value in (
                ("keep", 1.0),
                ("options", {}),
                ("tie", "both"),
                ("allocation", UNIFORM),
                ("inputs", ORIGINAL),
            ):
                object.__setattr__(self, name, value)
            return
        if self.inputs == COMPRESSED and self.group == GROUPINGS[1]:
            raise CompressionError(
                "inputs=compressed goes block by block, and a concatenated group spans several "
                "blocks: use group=separated, or inputs=original."
            )
        keep = check_number("keep", self.keep)
        if not 0 < keep <= 1:
            raise CompressionError(
                f"keep must be above 0 and at most 1 (1 keeps all bytes), not {self.keep}."
            )
        object.__setattr__(self, "keep", keep)
        # A command line or a link gives options as text; a plan holds them in their own types.
        built = build_method(self.method, self.options)
        options = {name: getattr(built, name) for name in modernize(type(built), self.options)}
        object.__setattr__(self, "options", options)

    def canonical(self, seed: int) -> dict[str, Any]:
        """Return what tells this rule from others; what is usual is left out.

        That way a new option with a default that changes nothing changes no key.
        """
        usual = {field.name: field.default for field in fields(self)}
        data: dict[str, Any] = {
            name: value
            for name, value in asdict(self).items()
            if name in ("pattern", "method", "keep") or value != usual[name]
        }
        if self.method != DENSE:
            # The names of version 0.1.0 keep its keys valid.
            method = self.build(seed)
            defaults = type(method)().former_values()
            data["options"] = {
                name: value
                for name, value in method.former_values().items()
                if name not in defaults or defaults[name] != value
            }
        return data

    def build(self, seed: int) -> Method:
        """Make the method; a random one that names no seed takes the plan's.

        Raises:
            CompressionError: The method or an option is unknown or out of range.
        """
        method = build_method(self.method, self.options)
        if "seed" in {option.name for option in method.options()} and "seed" not in self.options:
            return build_method(self.method, {**self.options, "seed": seed})
        return method


@dataclass(frozen=True, kw_only=True)
class StoredRule(Rule):
    """A rule of a stored run that this version refuses, kept as it was read.

    It can be shown and written again, but not run: `build` raises what `Rule` raises.
    """

    def __post_init__(self) -> None:
        """Check nothing."""

    def canonical(self, seed: int) -> dict[str, Any]:
        """Return all fields."""
        return asdict(self)

    def build(self, seed: int) -> Method:
        """Refuse.

        Raises:
            CompressionError: Always; the message says what is unknown or out of range.
        """
        raise self.refusal()

    def refusal(self) -> CompressionError:
        """Return the error that making a `Rule` of the same fields raises."""
        try:
            Rule(**{name: value for name, value in vars(self).items() if not name.startswith("_")})
        except CompressionError as error:
            return error
        return CompressionError("This rule was written by another version of Compression Lab.")


def read_stored_rule(data: object) -> Rule:
    """Read a rule of a stored run: a `StoredRule` if this version refuses it.

    What is no field of a rule is dropped then.

    Raises:
        CompressionError: A field has a wrong type.
    """
    from pydantic import TypeAdapter, ValidationError

    with suppress(CompressionError, ValidationError):
        return TypeAdapter(Rule).validate_python(data)
    known = {field.name for field in fields(Rule)}
    values = {n: v for n, v in data.items() if n in known} if isinstance(data, dict) else data
    try:
        return TypeAdapter(StoredRule).validate_python(values)
    except ValidationError as error:
        raise CompressionError("This is not a rule of a plan.") from error
