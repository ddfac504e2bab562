"""Calibration of masked models: which rows are read, and what is chosen by."""

from __future__ import annotations

from dataclasses import replace

import torch

from compress_lib.gathering import Calibration
from tests.test_masked import examples
from tests.tiny import VOCABULARY, masked_tokenizer


def test_the_mask_counts_among_the_tokens_that_are_read() -> None:
    lines = tuple(examples())
    text = Calibration(tuple(line.inputs for line in lines), lines)
    counts = text.ids.bincount(minlength=VOCABULARY)
    assert counts[masked_tokenizer().mask_token_id] == sum(len(line.labels) for line in lines)
    assert counts.sum() == sum(len(line.ids) + len(line.labels) for line in lines)
    assert counts[masked_tokenizer().cls_token_id] == len(lines)


def test_a_part_of_the_calibration_text_is_enough_to_choose_by() -> None:
    lines = tuple(examples(tokens=4000))
    chosen = Calibration(tuple(line.inputs for line in lines), lines).selection
    assert 0 < len(chosen) < len(lines)
    assert sum(len(line.labels) for line in chosen) <= 256
    long = replace(lines[0], positions=torch.arange(300), labels=torch.arange(300))
    assert len(Calibration((long.ids,), (long,)).selection) == 1
