"""What is broken in the papers' own code must not be in ours: one test for each flaw.

Each says what the papers' code does, and fails if ours does the same.
"""

from __future__ import annotations

import gc
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from compress_lib.compression.calibration import collect
from compress_lib.compression.compress import compress_at_once
from compress_lib.data.calibration_text import Calibration
from compress_lib.data.text_spec import TextSpec
from compress_lib.errors import BudgetError, CompressionError
from compress_lib.evaluation.likelihood import perplexity
from compress_lib.matrices import CompressedMatrix, LowRankMatrix
from compress_lib.matrices.autoencoder import DecoderMatrix
from compress_lib.methods import METHODS, build_method, preset_options
from compress_lib.methods.statistics import Statistics
from compress_lib.models.architecture import WeightLocation
from compress_lib.models.checkpoint import load_compressed, save_compressed
from compress_lib.models.loading import LanguageModel
from compress_lib.models.stored_tensors import total_bytes
from compress_lib.models.surgery import read_weight, split_like
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.runs.execute import run_plan
from tests.support.tiny import CONFIGURATIONS, save_tiny, tiny_model, weight_of

P2 = {**preset_options("autoencoder", "P2"), "epochs": 2}


def squeeze(model: LanguageModel, *rules: Rule) -> tuple[list[CompressedMatrix], LanguageModel]:
    made = torch.Generator().manual_seed(0)
    text = Calibration.from_blocks([torch.randint(300, (64,), generator=made)])
    done, small = compress_at_once(
        model, allocate(Plan(rules=rules), model.targets), calibration=text
    )
    return [item.matrix for item in done], small


def rule(pattern: str, method: str = "autoencoder", **changes: object) -> Rule:
    options = P2 if method == "autoencoder" else {}
    made = Rule(pattern=pattern, method=method, keep=0.5, options=options)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_reconstruction_is_not_overwritten_with_the_original() -> None:
    """Theirs shares the tensor with the model, so every method reports the baseline."""
    model = tiny_model()
    text = [torch.arange(60)]
    before = perplexity(model, text)
    kept = [parameter.clone() for parameter in model.module.parameters()]
    _, small = squeeze(model, rule("*", "random_control"))
    assert abs(perplexity(small, text) - before) > 0.05 * before
    assert perplexity(model, text) == before
    for parameter, old in zip(model.module.parameters(), kept, strict=True):
        assert torch.equal(parameter, old)


@pytest.mark.parametrize("orientation", ["rows", "columns"])
def test_every_layer_has_its_own_norms(orientation: str) -> None:
    """Theirs gives all layers the row norms of layer 0."""
    model = tiny_model()
    sites = [site for site in model.sites if site.target.family == "query"]
    with torch.no_grad():
        for index, site in enumerate(sites):
            weight_of(model, site.modules[0]).mul_(4.0**index)
    matrices, _ = squeeze(model, rule("query", group="concatenated", orientation=orientation))
    along = 1 if orientation == "rows" else 0
    for site, matrix in zip(sites, matrices, strict=True):
        original = read_weight(model.module, site, torch.float32)
        expected = original.norm(dim=along)
        assert torch.allclose(matrix.to_dense().norm(dim=along), expected, rtol=5e-3)


def test_norms_and_second_factors_are_in_the_checkpoint(tmp_path: Path) -> None:
    """Theirs leaves both out, so that a saved model cannot be loaded without the original."""
    model = tiny_model()
    _, small = squeeze(model, rule("*"), rule("embedding", "svd"))
    save_compressed(small, tmp_path)
    again = load_compressed(tmp_path)
    ids = torch.arange(30)[None]
    assert torch.equal(again.module(ids).logits, small.module(ids).logits)
    assert total_bytes(again) == total_bytes(small)


def test_epochs_are_chosen_on_other_text_than_they_are_judged_by(tmp_path: Path) -> None:
    """Theirs chooses epochs and SVD iterations by the perplexity on the test text."""
    text = tmp_path / "text.txt"
    text.write_text("The tide rose over the harbour wall while gulls argued. " * 60)
    plan = Plan(
        model=str(save_tiny(tmp_path / "model")),
        rules=(Rule(pattern="embedding", method="autoencoder", options={"epochs": 1}),),
        evaluation=TextSpec(corpus=str(text), tokens=128, context=64),
        calibration=TextSpec(corpus=str(text), tokens=128, context=64),
    )
    with pytest.raises(CompressionError, match="also appears in the calibration text"):
        run_plan(plan, device="cpu")


def test_linears_do_not_rebuild_the_matrix_at_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Theirs rebuilds it: 20 to 1,900 multiply-adds for every weight."""
    model = tiny_model()
    matrices, small = squeeze(model, rule("*", "svd"))
    monkeypatch.setattr(LowRankMatrix, "to_dense", lambda self: pytest.fail("rebuilt"))
    assert torch.isfinite(small.module(torch.arange(20)[None]).logits).all()
    assert {matrix.decode_cost for matrix in matrices} == {0}


def test_a_deep_decoder_decodes_only_the_tokens_looked_up() -> None:
    """And what it costs where a whole matrix is needed is told."""
    model = tiny_model("llama_untied")
    matrices, small = squeeze(model, rule("embedding"))
    (matrix,) = matrices
    assert isinstance(matrix, DecoderMatrix)
    seen: list[int] = []
    inner = matrix._run_hidden
    matrix._run_hidden = lambda latents: seen.append(len(latents.flatten(0, -2))) or inner(latents)  # type: ignore
    small.module(torch.arange(7)[None])
    assert seen == [7]
    layers = sum(math.prod(weight.shape) for weight in matrix.layers)
    assert matrix.decode_cost == matrix.shape[0] * layers


def test_row_norms_are_counted_in_the_report() -> None:
    """Theirs budgets them, and leaves them out of what it reports."""
    model = tiny_model()
    assigned = allocate(Plan(rules=(rule("ffn_in"),)), model.targets)
    done, _ = compress_at_once(model, assigned)
    for item, assignment in zip(done, assigned, strict=True):
        matrix = item.matrix
        stored = matrix.inner if hasattr(matrix, "inner") else matrix
        assert isinstance(stored, DecoderMatrix) and stored.scale is not None
        numbers = sum(tensor.numel() for tensor in matrix.state_dict().values())
        assert item.record.bytes_after == 2 * numbers <= assignment.budget


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_n_bits_have_two_to_the_n_codes(bits: int) -> None:
    """Theirs has 2ⁿ + 1, which do not fit into n bits."""
    weight = torch.rand(20, 400, generator=torch.Generator().manual_seed(0))
    made = build_method("row_quantization", {"bits": bits})
    matrix = made.compress_within(weight, weight.nbytes, Statistics())
    assert {len(row.unique()) for row in matrix.to_dense()} == {2**bits}


@pytest.mark.parametrize("method", ["fisher_svd", "sensitivity_svd", "row_normalized_svd"])
def test_no_square_matrix_of_a_vocabulary_is_made(method: str) -> None:
    """Theirs makes `np.diag` of a vector as long as the vocabulary: 3.7 GB."""
    rows, cols = 20_000, 16
    weight = torch.randn(rows, cols, generator=torch.Generator().manual_seed(0))
    ones = torch.ones(rows)
    known = Statistics(fisher=ones, sensitivity=ones)
    largest = 0

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            found = func(*args, **(kwargs or {}))
            if isinstance(found, torch.Tensor):
                largest = max(largest, found.numel())
            return found

    with Watch():
        build_method(method, {}).compress_within(weight, weight.nbytes // 2, known)
    assert largest <= 2 * rows * cols


def test_gradients_are_not_collected_in_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Theirs keeps the full gradient of every batch."""
    model = tiny_model()
    alive: list[int] = []
    reduced = split_like

    def count(weight: torch.Tensor, site: WeightLocation) -> torch.Tensor:
        parameters = (t for t in gc.get_objects() if type(t) is torch.nn.Parameter)
        alive.append(sum(parameter.grad is not None for parameter in parameters))
        return reduced(weight, site)

    monkeypatch.setattr(collect, "split_like", count)
    made = torch.Generator().manual_seed(0)
    text = Calibration.from_blocks(
        tuple(torch.randint(300, (64,), generator=made) for _ in range(3))
    )
    collect.collect_statistics(model, {t.name: {"fisher"} for t in model.targets}, text)
    assert alive and max(alive) <= 1


def test_a_latent_of_width_zero_is_an_error() -> None:
    """Theirs builds it, and measures what comes out."""
    with pytest.raises(BudgetError, match="needs at least"):
        allocate(Plan(rules=(rule("query", keep=0.02),)), tiny_model().targets)


@pytest.mark.parametrize("architecture", sorted(CONFIGURATIONS))
def test_no_architecture_is_hard_wired(architecture: str) -> None:
    """Theirs knows BERT-base and nothing else."""
    model = tiny_model(architecture)
    _, small = squeeze(model, rule("*", "row_normalized_svd"))
    assert total_bytes(small) < total_bytes(model)


def test_no_method_changes_the_weight_it_is_given() -> None:
    weight = torch.randn(48, 32, generator=torch.Generator().manual_seed(0)).half()
    for name in METHODS:
        if METHODS[name]().required_statistics or name == "autoencoder":
            continue
        before = weight.clone()
        budget = weight.nbytes if METHODS[name].fixed_size else weight.nbytes // 2
        matrix = build_method(name, {}).compress_within(weight, budget, Statistics())
        shared = {tensor.data_ptr() for tensor in matrix.state_dict().values()}
        assert weight.data_ptr() not in shared and torch.equal(weight, before)
