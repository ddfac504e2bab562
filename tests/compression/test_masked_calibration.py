"""Calibration of masked models: which rows are read, and what is chosen by."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import transformers

from compress_lib.compression.calibration.collect import collect_statistics
from compress_lib.compression.compress import compress_at_once
from compress_lib.data.calibration_text import Calibration
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from tests.data.test_masking import examples
from tests.support.tiny import MASKED, VOCABULARY, masked_tokenizer, tiny_model, weight_of


def test_the_mask_counts_among_the_tokens_that_are_read() -> None:
    lines = tuple(examples())
    text = Calibration(tuple(lines))
    counts = text.token_ids.bincount(minlength=VOCABULARY)
    assert counts[masked_tokenizer().mask_token_id] == sum(len(line.labels) for line in lines)
    assert counts.sum() == sum(len(line.ids) + len(line.labels) for line in lines)
    assert counts[masked_tokenizer().cls_token_id] == len(lines)


def test_a_part_of_the_calibration_text_is_enough_to_choose_by() -> None:
    lines = tuple(examples(tokens=4000))
    chosen = Calibration(tuple(lines)).selection_examples
    assert 0 < len(chosen) < len(lines)
    assert sum(len(line.labels) for line in chosen) <= 256
    long = replace(lines[0], positions=torch.arange(300), labels=torch.arange(300))
    assert len(Calibration((long,)).selection_examples) == 1


@pytest.mark.parametrize("architecture", sorted(MASKED))
def test_fisher_rows_are_gradients_of_what_is_hidden(architecture: str) -> None:
    model = tiny_model(architecture)
    lines = tuple(examples())[:2]
    text = Calibration(tuple(lines))
    target = next(target for target in model.targets if target.family == "ffn_out")
    found = collect_statistics(model, {target.name: {"fisher", "second_moment"}}, text)[target.name]
    weight = weight_of(model, target.name)
    expected = torch.zeros(weight.shape[0])
    for line in lines:
        weight.requires_grad_(True)
        logits = model.module(line.inputs[None]).logits[0, line.positions]
        loss = torch.nn.functional.cross_entropy(logits, line.labels, reduction="sum")
        expected += torch.autograd.grad(loss, [weight])[0].square().sum(1)
        weight.requires_grad_(False)
    assert torch.allclose(found.require("fisher"), expected, rtol=1e-3)
    assert found.require("second_moment").shape == (weight.shape[1],) * 2


@pytest.mark.parametrize("method", ["fisher_svd", "output_pca", "autoencoder"])
def test_methods_that_need_statistics_work_on_masked_models(method: str) -> None:
    model = tiny_model("bert")
    lines = tuple(examples())[:3]
    text = Calibration(tuple(lines))
    options = {"epochs": 1} if method == "autoencoder" else {}
    rule = Rule(pattern="key", method=method, options=options, group="concatenated")
    done, small = compress_at_once(
        model, allocate(Plan(rules=(rule,)), model.targets), calibration=text
    )
    assert len(done) == 2
    assert torch.isfinite(small.module(lines[0].inputs[None]).logits).all()


def test_texts_that_differ_in_what_is_hidden_are_not_taken_for_each_other() -> None:
    model = tiny_model("bert")
    line = next(iter(examples()))
    # The model reads the same in both: what is hidden shows only in the labels.
    other = replace(line, labels=line.labels.flip(0) + 1)
    target = next(target for target in model.targets if target.family == "key")
    found = [
        collect_statistics(model, {target.name: {"fisher"}}, Calibration((each,)))
        for each in (line, other)
    ]
    first, second = (statistics[target.name].require("fisher") for statistics in found)
    assert not torch.equal(first, second)


def test_a_layer_that_is_called_several_times_has_the_mean_of_all_its_inputs() -> None:
    config = transformers.AlbertConfig(
        vocab_size=VOCABULARY, embedding_size=16, hidden_size=32, num_hidden_layers=4,
        num_attention_heads=4, intermediate_size=64,
    )  # fmt: skip
    torch.manual_seed(0)
    module = transformers.AutoModelForMaskedLM.from_config(config).eval().requires_grad_(False)
    model = replace(tiny_model("bert"), module=module, kind="masked")
    name = next(target.name for target in model.targets if target.family == "query")
    lines = tuple(examples())[:2]
    seen: list[torch.Tensor] = []
    handle = module.get_submodule(name).register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0][0])
    )
    for line in lines:
        module(line.inputs[None])
    handle.remove()
    assert len(seen) == 4 * len(lines)
    x = torch.cat(seen)
    text = Calibration(tuple(lines))
    found = collect_statistics(model, {name: {"second_moment", "mean"}}, text)[name]
    assert torch.allclose(found.require("second_moment"), x.T @ x / len(x), rtol=1e-3, atol=1e-5)


def test_one_mask_stands_for_many_copies() -> None:
    line = replace(next(iter(examples())), singly=True)
    assert len(line.used) == len(line.ids) + 1
