"""Run record: all results of a run as dataclasses that convert to and from JSON."""

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
    """The model of a run: catalogue name or path, revision, source and number of parameters."""

    id: str
    revision: str
    source: str
    parameters: int


@dataclass(frozen=True)
class BlockRecord:
    """Sums over the predictions of one block, for paired comparison of two runs."""

    predictions: int
    nll: float
    kl: float


@dataclass(frozen=True)
class PerplexityRecord:
    """Perplexity of both models on the same tokens, with standard errors over blocks.

    Standard errors are None if there is only one block. `ratio` is compressed ÷ baseline, and
    `ratio_stderr` is computed from paired differences per block. `blocks` belong to the
    compressed model; older records have none. `protocol` is one of `text_spec.PROTOCOLS`; for
    masked models, lines take the place of blocks.
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
    """KL divergence in nats per token and top-1 agreement of both models on the same tokens."""

    kl: float
    top1: float


@dataclass(frozen=True)
class SpeedRecord:
    """Prefill and decode speed of both models in this run, in tokens per second.

    Medians over blocks and prompts; decode speeds are None if no text was generated. A run
    measures speed only once, as a by-product: `compress-lab bench speed` repeats and interleaves.
    """

    baseline_prefill: float
    compressed_prefill: float
    baseline_decode: float | None = None
    compressed_decode: float | None = None

    @property
    def prefill_ratio(self) -> float:
        """Prefill speed of the compressed model ÷ that of the baseline."""
        return self.compressed_prefill / self.baseline_prefill


@dataclass(frozen=True)
class ComponentRecord:
    """Bytes of one component of both models."""

    component: str
    baseline_bytes: int
    compressed_bytes: int


@dataclass(frozen=True)
class MemoryRecord:
    """Checkpoint bytes of both models; shared tensors count once.

    `cache_bytes` is the size of the KV cache per token, the same for both models; 0 without a
    cache and in older records. Parameters are the numbers that a model is computed from,
    regardless of their bit width; 0 in older records.
    """

    baseline_bytes: int
    compressed_bytes: int
    components: tuple[ComponentRecord, ...]
    cache_bytes: int = 0
    baseline_parameters: int = 0
    compressed_parameters: int = 0

    @property
    def share(self) -> float:
        """Bytes of the compressed model ÷ bytes of the baseline."""
        return self.compressed_bytes / self.baseline_bytes


@dataclass(frozen=True)
class TaskRecord:
    """Both models on one metric of a task.

    Standard errors are over items; None if the metric is not a mean over items.
    """

    task: str
    metric: str
    baseline: float
    compressed: float
    baseline_stderr: float | None
    compressed_stderr: float | None
    samples: int


@dataclass(frozen=True)
class RunRecord(JsonRecord):
    """One run: its plan, its results, its environment and the seconds of each step.

    `estimated_loss` is the loss increase in nats per token that byte allocation predicted before
    compression; None if no bytes were allocated by loss.
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
        """See `JsonRecord.from_json`; a plan of another version is kept (`Plan.from_stored`)."""
        if isinstance(data, dict) and isinstance(data.get("plan"), dict):
            data = {**data, "plan": Plan.from_stored(data["plan"])}
        return super().from_json(data)

    @property
    def methods(self) -> tuple[str, ...]:
        """The distinct methods of the compressed weights, in order."""
        return tuple(dict.fromkeys(target.method for target in self.targets))

    @property
    def relative_error(self) -> float:
        """‖W − Ŵ‖ ÷ ‖W‖ over all compressed weights."""
        total = sum(target.squared_norm for target in self.targets)
        error = sum(target.squared_norm * target.relative_error**2 for target in self.targets)
        return float((error / total) ** 0.5) if total else 0.0

    @property
    def answered(self) -> bool:
        """Whether both models completed the prompts, or there are none."""
        return bool(self.text or self.fills or not self.plan.prompts)

    def metrics(self) -> dict[str, float | None]:
        """Return every metric of `metrics.METRICS`; None if it does not apply to the run."""
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
