"""The real default model: agreed with an independent computation, from another source of code."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from compress_lib.cli.main import main
from compress_lib.models.catalogue import CATALOGUE, DEFAULT_MODEL
from compress_lib.models.loading import LanguageModel, load_model
from compress_lib.results.records import RunRecord

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TOKENS, CONTEXT = 1024, 256


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return load_model(DEFAULT_MODEL, device="cpu")


def independent_perplexity(model: Any, ids: list[int]) -> float:
    """Perplexity by transformers' own loss, block by block."""
    losses = []
    with torch.inference_mode():
        for first in range(0, TOKENS, CONTEXT):
            block = torch.tensor([ids[first : first + CONTEXT]])
            losses.append(model(block, labels=block).loss.item())
    return math.exp(sum(losses) / len(losses))


def test_it_is_the_model_that_the_catalogue_promises(model: LanguageModel) -> None:
    assert model.parameters == CATALOGUE[DEFAULT_MODEL].parameters
    assert len(model.targets) == 211
    assert model.targets[0].names == ("model.embed_tokens", "lm_head")
    assert model.dtype.itemsize == 2
    text = "In 2008 , 1 @,@ 345 men went\n = Title = \n"
    assert model.tokenizer.decode(model.tokenizer(text)["input_ids"]) == text


def test_svd_at_keep_09_agrees_with_an_independent_computation(
    model: LanguageModel,
    real_home: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from compress_lib.data.corpora.prose import FOLDER

    out = tmp_path / "record.json"
    command = ["run", DEFAULT_MODEL, "--method", "svd", "--keep", "0.9", "--include", "query@0-9"]
    command += ["--include", "embedding", "--tokens", str(TOKENS), "--context", str(CONTEXT)]
    command += ["--new-tokens", "4", "--out", str(out), "--fresh", "--device", "cpu"]
    assert main(command) == 0
    record = RunRecord.from_json(json.loads(out.read_text()))

    folder = model.module.config._name_or_path
    other = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = (FOLDER / "prose_evaluation.txt").read_text(encoding="utf-8")
    ids = tokenizer(text, add_special_tokens=False)["input_ids"][:TOKENS]
    assert record.perplexity.baseline == pytest.approx(independent_perplexity(other, ids), rel=1e-4)
    layers = other.model.layers
    weights = [layer.self_attn.q_proj.weight for layer in layers[:10]]
    for weight in [other.model.embed_tokens.weight, *weights]:
        u, s, v = torch.linalg.svd(weight.data, full_matrices=False)
        rank = int(0.9 * weight.numel()) // sum(weight.shape)
        weight.data = (u[:, :rank] * s[:rank]) @ v[:rank]
    other.tie_weights()
    expected = independent_perplexity(other, ids)
    # Ours has its factors rounded to 16 bits; nothing else may differ.
    assert record.perplexity.compressed == pytest.approx(expected, rel=0.02)
    assert record.perplexity.compressed > 1.05 * record.perplexity.baseline
    saved = sum(t.bytes_before - t.bytes_after for t in record.targets)
    assert record.memory.baseline_bytes - record.memory.compressed_bytes == saved


def test_the_autoencoder_beats_svd_on_the_real_embedding(
    model: LanguageModel, real_home: None
) -> None:
    from compress_lib.matrices.reconstruction_error import row_errors
    from compress_lib.methods import build_method
    from compress_lib.methods.statistics import Statistics
    from compress_lib.models.surgery import read_weight

    weight = read_weight(model.module, model.sites[0], model.dtype)
    errors = {}
    for name, options in (("svd", {}), ("autoencoder", {"epochs": 8, "select_best_by": "none"})):
        matrix = build_method(name, options).compress_within(
            weight, weight.nbytes // 2, Statistics()
        )
        errors[name] = float(row_errors(weight, matrix).direction.mean())
    assert errors["autoencoder"] < errors["svd"]
