"""Everything that determines a run, as one value with a canonical form, a hash and a link.

Knows no torch, so that a page can make and check plans before anything heavy is loaded.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from compress_lib.data.text_spec import AUTOMATIC, STRICT, USUAL_PROTOCOLS, TextSpec
from compress_lib.errors import CompressionError, check_integer, check_number
from compress_lib.models.catalogue import DEFAULT_MODEL
from compress_lib.plan.rule import Rule, StoredRule, read_stored_rule
from compress_lib.utils.json_record import JsonRecord

SCHEMA = 2
"""Part of every key: raised when the same plan would give other numbers, as it does when the
default of an option changes."""

MAX_PROMPT = 2_000
DEFAULT_PROMPT = "The old lighthouse keeper opened the door and"


@dataclass(frozen=True, kw_only=True)
class Generation:
    """How both models write.

    Attributes:
        max_new_tokens: How many tokens at most.
        temperature: 0 always takes the likeliest token; above, tokens are drawn.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    max_new_tokens: int = 48
    temperature: float = 0.0

    def __post_init__(self) -> None:
        count = check_integer("max_new_tokens", self.max_new_tokens, minimum=1, maximum=1024)
        object.__setattr__(self, "max_new_tokens", count)
        warmth = check_number("temperature", self.temperature, minimum=0.0, maximum=5.0)
        object.__setattr__(self, "temperature", warmth)


@dataclass(frozen=True, kw_only=True)
class Plan(JsonRecord):
    """A run: the model, what happens to which weight, and how the cost is measured.

    Of several rules that select the same target, the last one counts.
    """

    called: ClassVar[str] = "a plan"

    __pydantic_config__: ClassVar[Any] = STRICT

    model: str = DEFAULT_MODEL
    revision: str | None = None
    rules: tuple[Rule, ...] = (Rule(pattern="*", method="row_quantization", keep=0.51),)
    evaluation: TextSpec = field(default_factory=TextSpec)
    calibration: TextSpec = field(default_factory=lambda: TextSpec(tokens=32_768))
    prompts: tuple[str, ...] = (DEFAULT_PROMPT,)
    generation: Generation = Generation()
    seed: int = 0

    def __post_init__(self) -> None:
        seed = check_integer("seed", self.seed, minimum=0, maximum=2**31 - 1)
        object.__setattr__(self, "seed", seed)
        if not self.rules:
            raise CompressionError("The plan has no rule, so nothing would be compressed.")
        for prompt in self.prompts:
            if not prompt.strip():
                raise CompressionError("The prompt is empty: write the beginning of a text.")
            if len(prompt) > MAX_PROMPT:
                raise CompressionError(
                    f"The prompt has {len(prompt):,} characters; at most {MAX_PROMPT:,} are used."
                )

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def runnable(self) -> bool:
        """Whether this version knows all of its methods; see `from_stored`."""
        return not any(isinstance(rule, StoredRule) for rule in self.rules)

    def check_runnable(self) -> None:
        """Refuse a stored plan that this version does not understand.

        Raises:
            CompressionError: A rule names something unknown, or a value out of range.
        """
        for rule in self.rules:
            if isinstance(rule, StoredRule):
                raise rule.refusal()

    @property
    def key(self) -> str:
        """The plan's identity: equal for plans that give the same numbers."""
        canonical = asdict(self)
        canonical["rules"] = [rule.canonical(self.seed) for rule in self.rules]
        for text in (canonical["evaluation"], canonical["calibration"]):
            # A text that was read is known by its digest, wherever the file lies.
            if text["digest"]:
                text |= {"corpus": None, "text": None}
            # Each kind of model has one that is usual, and the other kind's is refused.
            if text["protocol"] in (AUTOMATIC, *USUAL_PROTOCOLS.values()):
                del text["protocol"]
        canonical["schema"] = SCHEMA
        text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def from_stored(cls, data: object) -> Plan:
        """Read the plan of a stored run; rules that this version refuses are kept as they are.

        Raises:
            CompressionError: It is not a plan.
        """
        if not isinstance(data, dict) or not data.get("rules"):
            raise CompressionError("This is not a plan: it has no rules.")
        try:
            return cls.from_json(data)
        except CompressionError:
            rest = cls.from_json({name: part for name, part in data.items() if name != "rules"})
            return replace(rest, rules=tuple(read_stored_rule(rule) for rule in data["rules"]))

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        data = asdict(self)
        data["rules"] = [dict(rule) for rule in data["rules"]]
        data["prompts"] = list(self.prompts)
        return data

    def without_provenance(self) -> Plan:
        """Return what was asked for: the plan without the weights and texts that it met."""
        return replace(
            self,
            revision=None,
            evaluation=replace(self.evaluation, digest=None),
            calibration=replace(self.calibration, digest=None),
        )

    def with_provenance(self, *, revision: str, evaluation: str, calibration: str | None) -> Plan:
        """Return the plan with the exact weights and texts that it met (SHA-256 digests)."""
        return replace(
            self,
            revision=revision,
            evaluation=replace(self.evaluation, digest=evaluation),
            calibration=replace(self.calibration, digest=calibration),
        )
