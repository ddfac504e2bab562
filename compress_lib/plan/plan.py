"""Plan: everything that determines a run, as one immutable value with a canonical hash.

Does not import torch, so the page can build and check plans before heavy libraries are loaded.
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
"""Part of every key; incremented when the same plan gives different numbers, for example because
the default of an option changed."""

MAX_PROMPT = 2_000
DEFAULT_PROMPT = "The old lighthouse keeper opened the door and"


@dataclass(frozen=True, kw_only=True)
class Generation:
    """Settings of text generation, the same for both models.

    Attributes:
        max_new_tokens: The maximum number of new tokens.
        temperature: Sampling temperature; 0 is greedy decoding.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    max_new_tokens: int = 48
    temperature: float = 0.0

    def __post_init__(self) -> None:
        count = check_integer("max_new_tokens", self.max_new_tokens, minimum=1, maximum=1024)
        object.__setattr__(self, "max_new_tokens", count)
        temperature = check_number("temperature", self.temperature, minimum=0.0, maximum=5.0)
        object.__setattr__(self, "temperature", temperature)


@dataclass(frozen=True, kw_only=True)
class Plan(JsonRecord):
    """Everything that determines a run: model, rules, texts, prompts and seed.

    If several rules select the same target, the last one wins.
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
                raise CompressionError("The prompt is empty: enter the beginning of a text.")
            if len(prompt) > MAX_PROMPT:
                raise CompressionError(
                    f"The prompt has {len(prompt):,} characters; at most {MAX_PROMPT:,} are "
                    "allowed."
                )

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def runnable(self) -> bool:
        """Whether this version can run all of its rules; see `from_stored`."""
        return not any(isinstance(rule, StoredRule) for rule in self.rules)

    def check_runnable(self) -> None:
        """Refuse a stored plan with rules that this version cannot run.

        Raises:
            CompressionError: A rule has an unknown name or a value out of range.
        """
        for rule in self.rules:
            if isinstance(rule, StoredRule):
                raise rule.refusal()

    @property
    def key(self) -> str:
        """The plan's hash; plans that give the same numbers have equal keys."""
        canonical = asdict(self)
        canonical["rules"] = [rule.canonical(self.seed) for rule in self.rules]
        for text in (canonical["evaluation"], canonical["calibration"]):
            # The digest identifies a text independently of its path.
            if text["digest"]:
                text |= {"corpus": None, "text": None}
            # The default protocol follows from the kind of model.
            if text["protocol"] in (AUTOMATIC, *USUAL_PROTOCOLS.values()):
                del text["protocol"]
        canonical["schema"] = SCHEMA
        text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def from_stored(cls, data: object) -> Plan:
        """Read the plan of a stored run; rules that this version rejects become `StoredRule`s.

        Raises:
            CompressionError: The data is not a plan.
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
        """Return the plan without model revision and text digests, as the user entered it."""
        return replace(
            self,
            revision=None,
            evaluation=replace(self.evaluation, digest=None),
            calibration=replace(self.calibration, digest=None),
        )

    def with_provenance(self, *, revision: str, evaluation: str, calibration: str | None) -> Plan:
        """Return the plan with the exact weights and texts of a run.

        Args:
            revision: The revision of the model.
            evaluation: SHA-256 digest of the evaluation text.
            calibration: SHA-256 digest of the calibration text; None if none was read.
        """
        return replace(
            self,
            revision=revision,
            evaluation=replace(self.evaluation, digest=evaluation),
            calibration=replace(self.calibration, digest=calibration),
        )
