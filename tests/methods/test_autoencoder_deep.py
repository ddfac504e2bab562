"""P2's autoencoder and what goes beyond it: shapes, norms, starts, weights, direct latents."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from compress_lib.errors import BudgetError, CompressionError
from compress_lib.matrices import CompressedMatrix, LowRankMatrix
from compress_lib.matrices.autoencoder import DecoderMatrix
from compress_lib.matrices.reconstruction_error import direction_error
from compress_lib.methods import METHODS, build_method, preset_options
from compress_lib.methods.autoencoder.losses import CombinedLoss
from compress_lib.methods.autoencoder.network import Autoencoder, Mlp
from compress_lib.methods.autoencoder.shape import Shape, solve_shape
from compress_lib.methods.statistics import Statistics

QUICK = {"epochs": 8, "batch_size": 32, "select_best_by": "none", "learning_rate": 0.003}
DEEP: dict[str, Any] = {"encoder": "4", "decoder": "3", "bias": False, "norms": "folded"}


def rows(count: int = 256, cols: int = 24, inner: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    signal = torch.randn(count, inner, generator=generator)
    basis = torch.randn(inner, cols, generator=generator)
    return signal @ basis + 0.3 * torch.randn(count, cols, generator=generator)


def compress(given: Tensor, known: Statistics | None = None, **options: Any) -> CompressedMatrix:
    method = build_method("autoencoder", {**QUICK, **options})
    return method.compress_within(given, given.nbytes // 3, known or Statistics())


def papers_shape(size: tuple[int, int], ratio: float, **changes: Any) -> Shape:
    """P2's shape, in whose budget a row of the original is as many numbers as it has columns."""
    settings: dict[str, Any] = {
        "encoder": (8, 4), "decoder": (2, 4), "bias": True, "norms": True, "fill": False,
        "itemsize": 2,
    }  # fmt: skip
    numbers = int(size[0] * size[1] / ratio)
    return solve_shape(size, numbers, **(settings | changes))


@pytest.mark.parametrize(
    ("size", "latent"), [((768, 768), 14), ((12 * 768, 768), 54), ((30522, 768), 67)]
)
def test_the_latent_is_the_one_the_paper_reports(size: tuple[int, int], latent: int) -> None:
    shape = papers_shape(size, 10)
    assert shape.latent == latent
    assert shape.encoder == (8 * latent, 4 * latent)
    assert shape.decoder == (2 * latent, 4 * latent)


@pytest.mark.parametrize("size", [(768, 768), (5760, 576), (576, 1536), (300, 40)])
@pytest.mark.parametrize("ratio", [2.5, 3, 10])
def test_what_flooring_leaves_is_spent(size: tuple[int, int], ratio: float) -> None:
    floored, filled = (papers_shape(size, ratio, fill=fill) for fill in (False, True))
    budget = int(size[0] * size[1] / ratio)
    assert filled.latent == floored.latent
    assert floored.numbers <= filled.numbers <= budget
    # What is left does not buy a unit in the cheapest hidden layer.
    cheapest = min(
        a + c + 1
        for a, _, c in zip(
            (filled.latent, *filled.decoder), filled.decoder, (*filled.decoder[1:], size[1]),
            strict=False,
        )
    )  # fmt: skip
    assert budget - filled.numbers < cheapest


def test_a_latent_of_width_zero_is_refused_and_the_least_is_told() -> None:
    """The papers' code builds it without an error."""
    with pytest.raises(
        BudgetError, match=r"too few for an autoencoder of a 192 × 576 .*keep of 0\.0\d"
    ):
        papers_shape((192, 576), 40)
    method = build_method("autoencoder", preset_options("autoencoder", "P2"))
    with pytest.raises(BudgetError, match="needs at least"):
        method.preview((64, 64), budget=400, itemsize=2)


def test_norms_are_budgeted_and_reported() -> None:
    method = build_method("autoencoder", {**preset_options("autoencoder", "P2"), "epochs": 1})
    given = rows(120, 32).half()
    budget = given.nbytes // 2
    matrix = method.compress_within(given, budget, Statistics())
    assert isinstance(matrix, DecoderMatrix) and matrix.scale is not None
    assert matrix.nbytes == method.preview((120, 32), budget=budget, itemsize=2).nbytes
    assert matrix.nbytes == 2 * sum(tensor.numel() for tensor in matrix.state_dict().values())


def test_presets_are_the_papers_defaults() -> None:
    first = build_method("autoencoder", preset_options("autoencoder", "p1"))
    second = build_method("autoencoder", preset_options("autoencoder", "P2"))
    for name, one, two in (
        ("epochs", 30, 30), ("batch_size", 32, 16), ("learning_rate", 1e-3, 1e-3),
        ("decay", 0.5, 0.8), ("decay_epochs", 4, 10), ("cosine", 0.9975 / 5, 0.9091),
        ("power_l1", 0.0025, 0.0), ("rmse", 0.0, 0.0909), ("encoder", "", "8,4"),
        ("decoder", "", "2,4"), ("tanh", False, True), ("latent_activation", False, True),
        ("norms", "none", "stored"), ("norm_target", "exact", "exact"),
        ("initialization", "random", "random"),
    ):  # fmt: skip
        assert getattr(first, name) == pytest.approx(one), name
        assert getattr(second, name) == pytest.approx(two), name
    with pytest.raises(CompressionError, match="Did you mean"):
        preset_options("autoencoder", "P12")
    with pytest.raises(CompressionError, match="no presets"):
        preset_options("svd", "P1")


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_preset_can_be_built(method: str) -> None:
    for preset in METHODS[method].presets:
        build_method(method, preset_options(method, preset))


@pytest.mark.parametrize("options", [{"norms": "stored"}, {"norms": "stored", "tanh": True}, DEEP])
def test_decoded_rows_have_the_norms_of_the_originals(options: dict[str, Any]) -> None:
    given = rows() * torch.logspace(-2, 2, 256)[:, None]
    matrix = compress(given, **{"encoder": "4", "decoder": "3", **options})
    assert torch.allclose(matrix.to_dense().norm(dim=1), given.norm(dim=1), rtol=2e-3)


def test_folded_norms_need_no_bytes() -> None:
    matrix = compress(rows(), **DEEP)
    assert isinstance(matrix, DecoderMatrix)
    assert matrix.scale is None and not len(matrix.biases)
    linear = compress(rows(), bias=False, norms="folded")
    assert isinstance(linear, LowRankMatrix) and linear.offset is None


def test_the_length_of_least_squares_has_the_smaller_error_and_the_same_direction() -> None:
    given = rows()
    options = {**DEEP, "power_l1": 0.0}
    exact, least = (compress(given, **options, length=how) for how in ("exact", "least_squares"))
    one, two = (direction_error(given, matrix.to_dense()) for matrix in (exact, least))
    assert torch.allclose(one, two, atol=2e-3)
    assert (given - least.to_dense()).norm() < (given - exact.to_dense()).norm()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"norms": "folded"}, "bias=false"),
        ({"norms": "folded", "bias": False, "activation": "elu"}, "leaky_relu"),
        ({"latent_activation": True}, "initialization=random"),
        ({"latent_epochs": 9, "epochs": 8}, "only 8 epochs"),
        ({"decoder": "2,x"}, "decoder"),
        ({"encoder": "0"}, "encoder"),
        ({"decoder": "1,1,1,1,1,1,1"}, "at most 6"),
        ({"cosine": 0, "power_l1": 0}, "nothing to minimise"),
    ],
)
def test_options_that_do_not_go_together_are_told(options: dict[str, Any], words: str) -> None:
    with pytest.raises(CompressionError, match=words):
        build_method("autoencoder", options)


def test_token_frequencies_are_for_tables_and_outputs_for_layers() -> None:
    by_frequency = build_method("autoencoder", {"row_weights": "frequency"})
    by_frequency.check_applies("embedding", "it")
    with pytest.raises(CompressionError, match="only to embeddings and LM heads"):
        by_frequency.check_applies("key", "it")
    with pytest.raises(CompressionError, match="output=0"):
        build_method("autoencoder", {"output": 1.0}).check_applies("embedding", "it")


@pytest.mark.parametrize("activation", ["none", "leaky_relu"])
@pytest.mark.parametrize("hidden", [(), (20,), (24, 17)])
def test_a_deep_network_can_begin_as_a_matrix(activation: str, hidden: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(1)
    network = Mlp((8, *hidden, 30), activation, bias=True, generator=generator)
    matrix = torch.randn(30, 8, generator=generator)
    network.init_as_linear_map(matrix)
    x = torch.randn(50, 8, generator=generator)
    assert torch.allclose(network(x), x @ matrix.T, atol=1e-4)


def test_an_exponential_unit_begins_nearly_linear() -> None:
    generator = torch.Generator().manual_seed(1)
    network = Mlp((8, 20, 30), "elu", bias=True, generator=generator)
    matrix = torch.randn(30, 8, generator=generator) / 3
    network.init_as_linear_map(matrix)
    x = torch.nn.functional.normalize(torch.randn(50, 8, generator=generator), dim=1)
    exact = x @ matrix.T
    assert (network(x) - exact).norm() < 0.05 * exact.norm()


def test_from_the_svd_a_deep_one_begins_as_good_as_row_normalised_svd() -> None:
    given = rows()
    settings = {"encoder": (4,), "decoder": (3,), "norms": False, "fill": True}
    shape = papers_shape((256, 24), 3, **settings, bias=False)
    model = Autoencoder(
        shape, activation="leaky_relu", latent_activation=False, tanh=False, norms="exact",
        unit_rows=True, generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    model.start_from_svd(given)
    with torch.no_grad():
        mine = direction_error(given, model.decode(model.latents(given), given)).mean()
    unit = given / given.norm(dim=1, keepdim=True)
    v = torch.linalg.svd(unit, full_matrices=False)[2][: shape.latent]
    best = direction_error(given, given @ v.T @ v).mean()
    assert float(mine) == pytest.approx(float(best), rel=1e-3)


def curved(count: int = 512) -> Tensor:
    """Rows on a surface that no plane follows."""
    generator = torch.Generator().manual_seed(3)
    inner = torch.randn(count, 3, generator=generator)
    lift = torch.randn(3, 12, generator=generator)
    return (inner @ lift).abs() @ torch.randn(12, 32, generator=generator)


def test_on_curved_rows_a_deep_one_beats_the_best_plane_at_equal_bytes() -> None:
    given = curved(4096)
    budget = given.nbytes // 8
    settings = {**preset_options("autoencoder", "Lab"), "epochs": 20, "latent_epochs": 5}
    deep = build_method("autoencoder", settings).compress_within(given, budget, Statistics())
    plane = build_method("row_normalized_svd", {}).compress_within(given, budget, Statistics())
    assert deep.nbytes <= budget
    mine, its = (float(direction_error(given, m.to_dense()).mean()) for m in (deep, plane))
    assert mine < its


def test_training_latents_directly_helps_and_is_repeatable() -> None:
    given = curved()
    options = {**DEEP, "epochs": 20, "decay": 1.0}
    budget = given.nbytes // 10
    errors = []
    for latent_epochs in (0, 15, 15):
        method = build_method("autoencoder", {**QUICK, **options, "latent_epochs": latent_epochs})
        matrix = method.compress_within(given, budget, Statistics())
        errors.append(float(direction_error(given, matrix.to_dense()).mean()))
    assert errors[1] < errors[0]
    assert errors[1] == errors[2]


def test_rows_that_weigh_more_are_kept_better() -> None:
    given = rows()
    weights = torch.ones(256)
    weights[:32] = 100.0
    known = Statistics(fisher=weights)
    plain = compress(given, known, epochs=30)
    weighted = compress(given, known, epochs=30, row_weights="fisher")
    before, after = (direction_error(given, m.to_dense())[:32].mean() for m in (plain, weighted))
    assert float(after) < float(before)


def test_weights_and_outputs_enter_the_loss_as_written() -> None:
    x, y = torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[4.0, 3.0], [1.0, 0.0]])
    weights = torch.tensor([1.5, 0.5])
    assert float(CombinedLoss(cosine=1)(x, y, 1.0, weights)) == pytest.approx(
        1.5 * (1 - 24 / 25) / 2
    )
    assert float(CombinedLoss(rmse=1)(x, y, 1.0, weights)) == pytest.approx((1.5 * 1.0 / 2) ** 0.5)
    half = torch.diag(torch.tensor([2.0, 0.0]))
    # Only the first column's error of 1 reaches the outputs, twice as large, in one row of two.
    assert float(CombinedLoss(output=1, half_moment=half)(x, y, 1.0)) == pytest.approx(
        (4 / 2) ** 0.5
    )


def test_the_loss_of_outputs_keeps_what_the_inputs_use() -> None:
    given = rows(200, 24, inner=12)
    moment = torch.diag(torch.cat([torch.full((6,), 100.0), torch.full((18,), 0.01)]))
    known = Statistics(second_moment=moment)
    options = {"cosine": 0.0, "power_l1": 0.0, "epochs": 60}
    plain = compress(given, known, **options, rmse=1.0)
    aware = compress(given, known, **options, output=1.0)
    errors = [float(((given - m.to_dense()) @ moment.sqrt()).norm()) for m in (plain, aware)]
    assert errors[1] < 0.7 * errors[0]


def test_every_look_is_noted_for_the_curves() -> None:
    matrix = compress(rows(), epochs=6, eval_every=2)
    assert matrix.history["epoch"] == [2.0, 4.0, 6.0]
    for name in ("loss", "direction_error", "relative_error", "rmse", "mae", "powered_mae"):
        assert len(matrix.history[name]) == 3


@pytest.mark.parametrize("criterion", ["rmse", "mae", "powered_mae", "direction_error"])
def test_training_can_end_early_by_any_measure(criterion: str) -> None:
    matrix = compress(
        rows(), epochs=200, eval_every=1, patience=1, select_best_by=criterion, learning_rate=0.5
    )
    assert len(matrix.history["epoch"]) < 200
