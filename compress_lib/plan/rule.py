"""Rule of a plan: a pattern that selects weights, and how they are compressed."""

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
"""The method name for targets that are not compressed."""

MAX_PATTERN = 20_000
"""Maximum length in characters; enough for all names of a large model."""

GROUPINGS = ("separated", "concatenated")
ORIENTATIONS = ("automatic", "rows", "columns")
TIES = ("both", "input")
"""For tied embeddings: compress embedding and LM head, or the input embedding only."""

UNIFORM = "uniform"
MEASURED = "measured"
ALLOCATIONS = (UNIFORM, "by_family", "automatic", MEASURED)
ORIGINAL, COMPRESSED = INPUTS = ("original", "compressed")
"""The model whose activations a layer is calibrated on: original, or compressed so far."""

WORDS = {
    "group": GROUPINGS,
    "orientation": ORIENTATIONS,
    "tie": TIES,
    "allocation": ALLOCATIONS,
    "inputs": INPUTS,
}
"""Allowed values of the fields that are enumerations."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How the targets that a pattern selects are compressed.

    Attributes:
        pattern: See `targets.matches`.
        method: A name of `METHODS`, or `dense`.
        keep: Bytes after ÷ bytes before, for each selected target.
        options: The method's options that differ from their defaults.
        group: `separated` compresses each matrix on its own; `concatenated` stacks the matrices
            of a module type, so that they share a decoder or a basis.
        window: Layers per concatenated group; 0 for all layers.
        orientation: Whether `rows` or `columns` are the data; `automatic` picks the one that
            allows the larger rank or latent within the budget.
        tie: For tied embeddings: with `both`, embedding and LM head use the compressed matrix;
            with `input`, the LM head keeps the original in addition, which makes the model
            larger, as in the measurements of Bałazy et al. 2021.
        allocation: With `uniform`, every selected target keeps `keep` of its bytes. Otherwise
            all selected targets together keep `keep`, and estimated loss decides the keep of each
            module type (`by_family`) or each target (`automatic`, and `measured`, which first
            corrects the estimates by measuring every module type on its own). Targets may then
            stay dense.
        inputs: With `compressed`, layers are compressed block by block on the inputs that they
            get in the model compressed so far, to reproduce the outputs of the original model;
            see `compression.sequential`. Embeddings are compressed as usual. The errors in the
            record still compare with the original matrix, which such a layer does not
            approximate.
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
        # The window has no effect without a group, so it must not change the key.
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
                "inputs=compressed compresses block by block, but a concatenated group spans "
                "several blocks: use group=separated or inputs=original."
            )
        keep = check_number("keep", self.keep)
        if not 0 < keep <= 1:
            raise CompressionError(
                f"keep must be above 0 and at most 1 (1 keeps all bytes), not {self.keep}."
            )
        object.__setattr__(self, "keep", keep)
        # Options from a command line or a link are text; `build_method` converts them.
        built = build_method(self.method, self.options)
        options = {name: getattr(built, name) for name in modernize(type(built), self.options)}
        object.__setattr__(self, "options", options)

    def canonical(self, seed: int) -> dict[str, Any]:
        """Return the rule's identity for hashing, without fields at their defaults.

        Leaving out defaults keeps keys valid when an option with a neutral default is added.
        """
        usual = {field.name: field.default for field in fields(self)}
        data: dict[str, Any] = {
            name: value
            for name, value in asdict(self).items()
            if name in ("pattern", "method", "keep") or value != usual[name]
        }
        if self.method != DENSE:
            # Option names of version 0.1.0, so that its keys stay valid.
            method = self.build(seed)
            defaults = type(method)().former_values()
            data["options"] = {
                name: value
                for name, value in method.former_values().items()
                if name not in defaults or defaults[name] != value
            }
        return data

    def build(self, seed: int) -> Method:
        """Build the method; a random method without a seed of its own takes the plan's.

        Raises:
            CompressionError: The method or an option is unknown or out of range.
        """
        method = build_method(self.method, self.options)
        if "seed" in {option.name for option in method.options()} and "seed" not in self.options:
            return build_method(self.method, {**self.options, "seed": seed})
        return method


@dataclass(frozen=True, kw_only=True)
class StoredRule(Rule):
    """A rule of a stored run that this version rejects, kept unchanged.

    It can be displayed and saved, but not run: `build` raises the error that `Rule` raises.
    """

    def __post_init__(self) -> None:
        """Skip the checks of `Rule`."""

    def canonical(self, seed: int) -> dict[str, Any]:
        """Return all fields."""
        return asdict(self)

    def build(self, seed: int) -> Method:
        """Raise the error of `refusal`.

        Raises:
            CompressionError: Always; the message names the unknown name or the value out of range.
        """
        raise self.refusal()

    def refusal(self) -> CompressionError:
        """Return the error that `Rule` raises for the same fields."""
        try:
            Rule(**{name: value for name, value in vars(self).items() if not name.startswith("_")})
        except CompressionError as error:
            return error
        return CompressionError("This rule was written by another version of Compression Lab.")


def read_stored_rule(data: object) -> Rule:
    """Read a rule of a stored run, as a `StoredRule` if this version rejects it.

    A `StoredRule` drops unknown fields.

    Raises:
        CompressionError: A field has the wrong type.
    """
    from pydantic import TypeAdapter, ValidationError

    with suppress(CompressionError, ValidationError):
        return TypeAdapter(Rule).validate_python(data)
    known = {field.name for field in fields(Rule)}
    values = {n: v for n, v in data.items() if n in known} if isinstance(data, dict) else data
    try:
        return TypeAdapter(StoredRule).validate_python(values)
    except ValidationError as error:
        raise CompressionError("The data is not a rule of a plan.") from error
