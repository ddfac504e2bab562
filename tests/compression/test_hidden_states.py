"""Two models that go through the same text block by block."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from compress_lib.compression import hidden_states
from compress_lib.compression.block_calls import blocks_of, note_calls
from compress_lib.compression.hidden_states import PairedHiddenStates
from compress_lib.compression.stacking import with_matrices
from compress_lib.errors import CompressionError
from compress_lib.matrices import DenseMatrix
from compress_lib.utils.progress import ignore
from tests.support.inputs import TEXT, inputs_of, pair
from tests.support.tiny import CONFIGURATIONS, MASKED, tiny_model


@pytest.mark.parametrize("architecture", [*CONFIGURATIONS, *MASKED])
def test_states_taken_through_the_blocks_are_those_of_the_whole_model(architecture: str) -> None:
    model = tiny_model(architecture)
    changed = with_matrices(
        model,
        {
            t.name: DenseMatrix.from_weight(torch.randn(t.shape) / 9)
            for t in model.targets
            if t.layer is not None
        },
    )
    inside = [t for t in model.targets if t.layer is not None]
    blocks = blocks_of(inside, model.module)
    held = PairedHiddenStates(model, changed.module, blocks, TEXT, ignore)
    held.next_block(0, ignore)
    layers = [site.modules[0] for site in model.sites if site.target.layer == 1]
    for stage in held.layer_order(1, list(dict.fromkeys(layers))):
        found = held.inputs(1, stage[0], ignore)
        x, seen = inputs_of(model, stage[0]), inputs_of(changed, stage[0])
        wanted = pair(x.double(), seen.double())
        for name, value in vars(wanted).items():
            near = torch.as_tensor(getattr(found, name)).double()
            assert torch.allclose(near, torch.as_tensor(value).double(), atol=2e-4), name


def test_layers_with_one_input_make_a_stage_and_stages_follow_the_forward_pass() -> None:
    def stages(architecture: str) -> list[set[str]]:
        model = tiny_model(architecture)
        inside = [site for site in model.sites if site.target.layer == 1]
        blocks = blocks_of([site.target for site in inside], model.module)
        held = PairedHiddenStates(model, model.module, blocks, TEXT, ignore)
        paths = list(dict.fromkeys(site.modules[0] for site in inside))
        return [{path.rsplit(".", 1)[1] for path in stage} for stage in held.layer_order(1, paths)]

    assert stages("llama") == [
        {"q_proj", "k_proj", "v_proj"},
        {"o_proj"},
        {"gate_proj", "up_proj"},
        {"down_proj"},
    ]
    assert stages("gpt2") == [{"c_attn"}, {"c_proj"}, {"c_fc"}, {"c_proj"}]
    assert len(stages("gpt_neox")) == 4


def test_a_layer_that_has_not_one_kind_of_inputs_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny_model()
    blocks = blocks_of([t for t in model.targets if t.layer is not None], model.module)
    held = PairedHiddenStates(model, model.module, blocks, TEXT, ignore)
    mlp = held._models[0].get_submodule("model.layers.0.mlp")
    up, down = mlp.get_submodule("up_proj"), mlp.get_submodule("down_proj")
    monkeypatch.setattr(mlp, "forward", lambda x: down(up(x) * up(2 * x)))
    for name, times in (("up_proj", 2), ("gate_proj", 0)):
        with pytest.raises(CompressionError, match=f"used {times} times.*inputs=original"):
            held.layer_order(0, [f"model.layers.0.mlp.{name}"])


def test_only_so_many_tokens_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    monkeypatch.setattr(hidden_states, "TOKENS", 150)
    blocks = blocks_of([t for t in model.targets if t.layer is not None], model.module)
    held = PairedHiddenStates(model, model.module, blocks, TEXT, ignore)
    found = held.inputs(0, "model.layers.0.self_attn.q_proj", ignore)
    x = inputs_of(model, "model.layers.0.self_attn.q_proj")[:150]
    assert torch.allclose(found.second_moment, x.T @ x / 150, atol=1e-4)
    assert not found.shift.any()


class Row(nn.Module):
    """Blocks in a row, and what may go wrong between them."""

    def __init__(self, flaw: str = "") -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(3, 3) for _ in range(3))
        self.flaw = flaw

    def forward(self, ids: Tensor) -> Tensor:
        x = torch.nn.functional.one_hot(ids, 3).float()
        orders = {"twice": [0, 0, 1, 2], "order": [0, 2, 1], "unused": [0, 1]}
        for index in orders.get(self.flaw, [0, 1, 2]):
            x = self.layers[index](x)
            if self.flaw == "between":
                x = x + 1
        return x


@pytest.mark.parametrize(
    ("flaw", "complaint"),
    [
        ("", None),
        ("twice", "not called in order"),
        ("order", "not called in order"),
        ("between", "state changes between blocks 0 and 1"),
        ("unused", "not all blocks are called"),
    ],
)
def test_blocks_that_do_not_simply_follow_each_other_are_refused(
    flaw: str, complaint: str | None
) -> None:
    module, paths = Row(flaw), [f"layers.{index}" for index in range(3)]
    if complaint is None:
        start, calls = note_calls(module, paths, torch.tensor([[0, 1]]), {})
        assert start.shape == (1, 2, 3)
        assert len(calls) == 3
        return
    with pytest.raises(CompressionError, match=complaint):
        note_calls(module, paths, torch.tensor([[0, 1]]), {})
    assert not any(layer._forward_pre_hooks or layer._forward_hooks for layer in module.layers)


def test_weights_in_several_rows_of_blocks_are_refused() -> None:
    (target, *_) = [t for t in tiny_model().targets if t.layer is not None]
    other = replace(target, names=("decoder.layers.0.q_proj",))
    with pytest.raises(CompressionError, match="several stacks.*inputs=original"):
        blocks_of([target, other], nn.Module())
    with pytest.raises(CompressionError, match="share a weight"):
        blocks_of([replace(target, names=("layers.0.q", "layers.1.q"))], nn.Module())
