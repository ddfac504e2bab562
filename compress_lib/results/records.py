"""What a run found: numbers only, as JSON and as tables. Knows no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from compress_lib.models.targets import TABLES
from compress_lib.plan.plan import Plan
from compress_lib.results.target_record import TargetRecord
from compress_lib.results.text_record import FillRecord, TextRecord
from compress_lib.results.token_record import DirectionRecord
from compress_lib.utils.json_record import JsonRecord


@dataclass(frozen=True)
class ModelRecord:
    """Which weights were used."""

    id: str
    revision: str
    source: str
    parameters: int


@dataclass(frozen=True)
class BlockRecord:
    """Sums over the predictions of one block: what two runs are compared by, pair by pair."""

    predictions: int
    nll: float
    kl: float


@dataclass(frozen=True)
class PerplexityRecord:
    """Both models on the same tokens; standard errors over blocks, None with a single block.

    `ratio` is compressed ÷ baseline, and `ratio_stderr` comes from differences block by block.
    `blocks` are those of the compressed model; older records have none. `protocol` is one of
    `plan.PROTOCOLS`; masked models have lines in the place of blocks.
    """

    baseline: float
    compressed: float
    baseline_stderr: float | None
    compressed_stderr: float | None
    ratio: float
    ratio_stderr: float | None
    tokens: int
    predictions: int
    context: int
    corpus: str
    digest: str
    baseline_bits_per_byte: float
    compressed_bits_per_byte: float
    protocol: str = "causal"
    blocks: tuple[BlockRecord, ...] = ()


@dataclass(frozen=True)
class AgreementRecord:
    """How alike the two models' predictions are on the same tokens."""

    kl: float
    top1: float


@dataclass(frozen=True)
class SpeedRecord:
    """Tokens a second of both models in this run: reading blocks of text, and writing one by one.

    Medians over blocks and prompts; None where nothing was written. A run times what it does
    anyway, once: `compress-lab bench speed` repeats and takes turns.
    """

    baseline_prefill: float
    compressed_prefill: float
    baseline_decode: float | None = None
    compressed_decode: float | None = None

    @property
    def prefill_ratio(self) -> float:
        """How many times as fast as the baseline the compressed model read."""
        return self.compressed_prefill / self.baseline_prefill


@dataclass(frozen=True)
class ComponentRecord:
    """Bytes of one part of the model."""

    component: str
    baseline_bytes: int
    compressed_bytes: int


@dataclass(frozen=True)
class MemoryRecord:
    """Bytes of the whole model as a checkpoint stores it, shared tensors once.

    `cache_bytes` are those of keys and values for every token of a context, the same for both
    models; 0 where there is no cache, or in older records. Parameters are the numbers that a model
    is computed from, whatever bits each takes; 0 in older records.
    """

    baseline_bytes: int
    compressed_bytes: int
    components: tuple[ComponentRecord, ...]
    cache_bytes: int = 0
    baseline_parameters: int = 0
    compressed_parameters: int = 0

    @property
    def share(self) -> float:
        """Bytes of the compressed model ÷ those of the baseline."""
        return self.compressed_bytes / self.baseline_bytes


@dataclass(frozen=True)
class TaskRecord:
    """Both models on one metric of a task; standard errors over items, None where it is no mean."""

    task: str
    metric: str
    baseline: float
    compressed: float
    baseline_stderr: float | None
    compressed_stderr: float | None
    samples: int


@dataclass(frozen=True)
class RunRecord(JsonRecord):
    """One run: what was asked, what was found, where and how long it took.

    `estimated_loss` is what sharing out bytes expected to lose, in nats a token, before anything
    was compressed; None where nothing was shared out.
    """

    called: ClassVar[str] = "a run record"

    key: str
    plan: Plan
    created: str
    model: ModelRecord
    perplexity: PerplexityRecord
    agreement: AgreementRecord
    memory: MemoryRecord
    targets: tuple[TargetRecord, ...]
    direction: DirectionRecord | None
    text: tuple[TextRecord, ...]
    seconds: dict[str, float]
    environment: dict[str, str]
    fills: tuple[FillRecord, ...] = ()
    tasks: tuple[TaskRecord, ...] = ()
    estimated_loss: float | None = None
    speed: SpeedRecord | None = None

    @classmethod
    def from_json(cls, data: object) -> Self:
        """See `JsonRecord.from_json`; a plan of another version is kept, see `Plan.from_stored`."""
        if isinstance(data, dict) and isinstance(data.get("plan"), dict):
            data = {**data, "plan": Plan.from_stored(data["plan"])}
        return super().from_json(data)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods used, each once, in order."""
        return tuple(dict.fromkeys(target.method for target in self.targets))

    @property
    def relative_error(self) -> float:
        """‖W − Ŵ‖ ÷ ‖W‖ over all compressed weights."""
        total = sum(target.squared_norm for target in self.targets)
        lost = sum(target.squared_norm * target.relative_error**2 for target in self.targets)
        return float((lost / total) ** 0.5) if total else 0.0

    @property
    def answered(self) -> bool:
        """Whether both models wrote after the prompts, if there are any."""
        return bool(self.text or self.fills or not self.plan.prompts)

    def metrics(self) -> dict[str, float | None]:
        """Return every number of `metrics.METRICS`; None where it does not apply."""
        tables = [t for t in self.targets if t.family in TABLES]
        return {
            "perplexity": self.perplexity.compressed,
            "perplexity_ratio": self.perplexity.ratio,
            "megabytes": self.memory.compressed_bytes / 1e6,
            "size_share": 100 * self.memory.share,
            "parameters": self.memory.compressed_parameters / 1e6 or None,
            "kl": self.agreement.kl,
            "top1": 100 * self.agreement.top1,
            "speed": self.speed.prefill_ratio if self.speed else None,
            "direction_error": tables[0].direction_error.mean if tables else None,
            "relative_error": self.relative_error,
        }
