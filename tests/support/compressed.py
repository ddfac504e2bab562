"""Factories for compressed tiny models, random low-rank matrices and run records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from compress_lib.compression.compress import compress_at_once
from compress_lib.compression.stacking import with_matrices
from compress_lib.matrices import CompressedMatrix, LowRankMatrix
from compress_lib.models.loading import LanguageModel
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.results.records import (
    AgreementRecord,
    ComponentRecord,
    MemoryRecord,
    ModelRecord,
    PerplexityRecord,
    RunRecord,
)
from compress_lib.results.target_record import DirectionError, TargetRecord
from compress_lib.results.text_record import TextRecord
from compress_lib.results.token_record import DirectionRecord, TokenError


def compressed(model: LanguageModel, pattern: str = "*", keep: float = 0.5) -> LanguageModel:
    """Return the model with the weights matching a pattern compressed by SVD."""
    plan = Plan(rules=(Rule(pattern=pattern, method="svd", keep=keep),))
    return compress_at_once(model, allocate(plan, model.targets))[1]


def random_factors(
    shape: tuple[int, int], rank: int = 3, *, offset: bool = False
) -> CompressedMatrix:
    """Return a random low-rank matrix in float16, optionally with an offset."""
    generator = torch.Generator().manual_seed(shape[0])
    rows, cols = shape
    left = torch.randn(rows, rank, generator=generator)
    right = torch.randn(rank, cols, generator=generator)
    extra = torch.randn(cols, generator=generator) if offset else None
    return LowRankMatrix.from_factors(left / 4, right / 4, torch.float16, extra)


def randomised(model: LanguageModel, *, offset: bool = False) -> LanguageModel:
    """Return the model with every weight replaced by random factors."""
    matrices = {t.name: random_factors(t.shape, offset=offset) for t in model.targets}
    return with_matrices(model, matrices)


def target_record(family: str = "embedding", **changes: Any) -> TargetRecord:
    """Return a record of one weight."""
    record = TargetRecord(
        names=("model.embed_tokens", "lm_head"),
        family=family,
        layer=None,
        rows=320,
        cols=32,
        method="svd",
        rank=14,
        bytes_before=20_480,
        bytes_after=9_856,
        relative_error=0.5,
        squared_norm=400.0,
        direction_error=DirectionError(mean=0.1, p50=0.09, p95=0.3, max=0.4, weighted_mean=0.12),
        seconds=0.25,
    )
    return replace(record, **changes)


def run_record(key: str = "0123456789abcdef", **changes: Any) -> RunRecord:
    """Return a synthetic run record with round numbers."""
    record = RunRecord(
        key=key,
        plan=Plan(rules=(Rule(pattern="embedding", method="svd", keep=0.5),)),
        created="2026-01-02T03:04:05+00:00",
        model=ModelRecord("tiny", "abc", "made in a test", 28_832),
        perplexity=PerplexityRecord(
            baseline=20.0,
            compressed=30.0,
            baseline_stderr=None,
            compressed_stderr=0.5,
            ratio=1.5,
            ratio_stderr=0.1,
            tokens=400,
            predictions=396,
            context=100,
            corpus="prose",
            digest="d" * 64,
            baseline_bits_per_byte=1.0,
            compressed_bits_per_byte=1.25,
        ),
        agreement=AgreementRecord(kl=0.25, top1=0.75),
        memory=MemoryRecord(
            4_000_000, 3_000_000, (ComponentRecord("embedding", 4_000_000, 3_000_000),)
        ),
        targets=(target_record(),),
        direction=DirectionRecord(
            target="model.embed_tokens",
            edges=(0.0, 1.0, 2.0),
            counts=(319, 1),
            control_counts=(320, 0),
            worst=(TokenError(7, "é\n", 1.5, 3),),
            best=(TokenError(8, " the", 0.0),),
        ),
        text=(TextRecord("The tide", " rose", " fell", 0, "", 10.0, 12.0),),
        seconds={"load": 1.0, "compress": 2.5},
        environment={"torch": "2"},
    )
    return replace(record, **changes)
