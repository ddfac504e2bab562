"""Only the input end of a tied table: the output stays, and both are stored and counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from compress_lib.compression.compress import compress_at_once
from compress_lib.compression.target_compressor import CompressedTarget
from compress_lib.errors import CompressionError
from compress_lib.evaluation.memory import compare_memory
from compress_lib.models.checkpoint import load_compressed, save_compressed
from compress_lib.models.kinds import auto_class
from compress_lib.models.layers import CompressedEmbedding
from compress_lib.models.loading import LanguageModel
from compress_lib.models.stored_tensors import total_bytes
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.query_string import from_query, to_query
from compress_lib.plan.rule import DENSE, Rule
from compress_lib.results.describe import describe
from compress_lib.ui.form import binding
from tests.support.compressed import run_record
from tests.support.tiny import tiny_model

IDS = torch.arange(3, 40)[None]
TIED = ("llama", "gpt2", "gemma3", "opt", "bert", "roberta", "distilbert", "modernbert")
RULE = Rule(pattern="embedding", method="svd", keep=0.5, tie="input")


@pytest.fixture(params=TIED)
def tied(request: pytest.FixtureRequest) -> LanguageModel:
    return tiny_model(request.param)


def halved(model: LanguageModel, rule: Rule = RULE) -> tuple[CompressedTarget, LanguageModel]:
    done, small = compress_at_once(model, allocate(Plan(rules=(rule,)), model.targets))
    return done[0], small


def test_the_output_keeps_its_weight(tied: LanguageModel) -> None:
    _, small = halved(tied)
    assert isinstance(small.module.get_input_embeddings(), CompressedEmbedding)
    head, old = small.module.get_output_embeddings(), tied.module.get_output_embeddings()
    assert isinstance(head, nn.Linear)
    assert head.weight is old.weight


def test_both_are_counted(tied: LanguageModel) -> None:
    done, small = halved(tied)
    memory = compare_memory(tied, small)
    assert memory.compressed_bytes == memory.baseline_bytes + done.matrix.nbytes
    assert memory.compressed_bytes == total_bytes(small)
    table = next(part for part in memory.components if part.component == "embedding")
    assert table.compressed_bytes == table.baseline_bytes + done.matrix.nbytes
    assert done.record.bytes_after == done.matrix.nbytes + done.record.bytes_before


def test_it_comes_back_from_disk_as_it_was(tied: LanguageModel, tmp_path: Path) -> None:
    _, small = halved(tied)
    expected = small.module(IDS).logits
    folder = save_compressed(small, tmp_path / "saved")
    stored = load_file(folder / "model.safetensors").values()
    assert sum(tensor.nbytes for tensor in stored) == total_bytes(small)
    again = load_compressed(folder, device="cpu")
    assert torch.equal(again.module(IDS).logits, expected)
    assert total_bytes(again) == total_bytes(small)
    plain = auto_class(tied.kind).from_pretrained(folder, dtype=torch.float32)
    assert torch.equal(plain(IDS).logits, expected)
    small.module.save_pretrained(tmp_path / "again")
    plain = auto_class(tied.kind).from_pretrained(tmp_path / "again", dtype=torch.float32)
    assert torch.equal(plain(IDS).logits, expected)


def test_without_a_tie_it_makes_no_difference() -> None:
    model = tiny_model("llama_untied")
    one, first = halved(model)
    two, second = halved(model, replace(RULE, tie="both"))
    assert torch.equal(first.module(IDS).logits, second.module(IDS).logits)
    assert one.record.bytes_after == two.record.bytes_after


def test_plans_links_and_names_tell_it() -> None:
    plan, both = Plan(rules=(RULE,)), Plan(rules=(replace(RULE, tie="both"),))
    assert Plan.from_json(plan.to_json()) == plan
    assert from_query(to_query(plan)) == plan
    assert "tie" not in to_query(both)
    assert plan.key != both.key
    assert describe(run_record(plan=plan)).endswith("(input embedding only)")
    assert replace(RULE, method=DENSE) == Rule(pattern="embedding", method=DENSE)
    with pytest.raises(CompressionError, match="Did you mean 'input'"):
        Rule(tie="inputs")


def test_the_page_shows_it() -> None:
    plan, complaint = binding.first_plan(to_query(Plan(rules=(RULE,))))
    assert complaint is None
    assert plan.rules == (RULE,)
