"""Autoencoder options: loss, schedule, network, row norms, epoch selection and storage."""

from __future__ import annotations

from dataclasses import dataclass

from compress_lib.errors import CompressionError
from compress_lib.methods.autoencoder.shape import parse_widths
from compress_lib.methods.low_rank.base import bits_option
from compress_lib.methods.low_rank.storage_sizes import FactorStorage
from compress_lib.methods.row_importance import FREQUENCY
from compress_lib.methods.row_weights import exponent_option, normalization_option
from compress_lib.utils.options import option

GRADIENT_WEIGHTS = ("fisher", "sensitivity", "fisher_probability", "sensitivity_probability")
CRITERIA = (
    *("perplexity", "direction_error", "relative_error", "rmse", "mae", "powered_mae"),
    *("loss", "none"),
)


@dataclass(frozen=True, kw_only=True)
class AutoencoderOptions:
    """Hyperparameters of one autoencoder; the defaults follow Bałazy et al. 2021.

    Loss, optimizer (Adam), learning rate, its decay and the number of epochs are the paper's.
    Batches are larger, because 46,000 steps of 32 rows leave two cores idle, and only every third
    epoch is evaluated.
    """

    epochs: int = option(30, "Epochs", "Passes over all rows.", minimum=1, maximum=1000)
    batch_size: int = option(
        512, "Batch size", "Maximum rows per step; the papers use 32 and 16.", minimum=1
    )
    learning_rate: float = option(
        1e-3, "Learning rate", "Adam's initial learning rate.", minimum=1e-7, maximum=1
    )
    decay: float = option(
        0.5, "Decay", "Learning-rate factor at every decay.", minimum=0.01, maximum=1
    )
    decay_epochs: int = option(4, "Decay every", "Epochs between decays.", minimum=1)
    cosine: float = option(0.9975 / 5, "Cosine loss", "Weight of 1 − cos.", minimum=0)
    power_l1: float = option(
        0.0025, "Power L1 loss", "Weight of |error|^α, with α annealed from 1 to 0.1.", minimum=0
    )
    anneal_epochs: int = option(20, "Anneal over", "Epochs over which α is annealed.", minimum=1)
    rmse: float = option(0.0, "RMSE loss", "Weight of the root mean squared error.", minimum=0)
    output: float = option(
        0.0,
        "Output loss",
        "Weight of the error in the layer's outputs on calibration text.",
        minimum=0,
    )
    row_weights: str = option(
        "none",
        "Row weights",
        "Weight of each row in the loss: by token frequency or by the gradient of the loss.",
        choices=("none", FREQUENCY, *GRADIENT_WEIGHTS),
    )
    normalization: str = normalization_option("sum")
    exponent: float = exponent_option()
    encoder: str = option(
        "",
        "Encoder widths",
        "Hidden layer widths in multiples of the latent size, e.g. 8,4; empty = linear.",
    )
    decoder: str = option(
        "",
        "Decoder widths",
        "Hidden layer widths in multiples of the latent size, e.g. 2,4; empty = linear.",
    )
    activation: str = option(
        "leaky_relu",
        "Activation",
        "Activation between layers; a linear encoder or decoder has none.",
        choices=("leaky_relu", "elu", "none"),
    )
    latent_activation: bool = option(False, "Latent activation", "As P2 has it.")
    tanh: bool = option(False, "Output tanh", "As P2 has it.")
    bias: bool = option(True, "Biases", "Whether the decoder's layers have biases.")
    norms: str = option(
        "none",
        "Norms",
        "Restore row norms: stored separately, or folded into the latents at no cost.",
        choices=("none", "stored", "folded"),
    )
    norm_target: str = option(
        "exact",
        "Row norm target",
        "With norms: the original norm (exact), or the norm of least squared error (norm × "
        "cosine).",
        choices=("exact", "least_squares"),
        formerly="length",
    )
    use_full_budget: bool = option(
        True, "Use full budget", "Spend leftover bytes on a wider decoder.", formerly="fill"
    )
    latent_epochs: int = option(
        0, "Latent epochs", "Final epochs that train the latents directly.", minimum=0
    )
    initialization: str = option(
        "svd", "Start", "Initialize from the SVD or from random numbers.", choices=("svd", "random")
    )
    select_best_by: str = option(
        "perplexity",
        "Select epoch by",
        "Metric of the best epoch (perplexity is measured on calibration text); none keeps the "
        "last epoch.",
        choices=CRITERIA,
        formerly="keep_best",
    )
    eval_every: int = option(
        3,
        "Evaluate every",
        "Epochs between evaluations; the papers use 1.",
        minimum=1,
        formerly="check_epochs",
    )
    patience: int = option(
        0,
        "Patience",
        "Evaluations without improvement before training stops; 0 = never.",
        minimum=0,
    )
    seed: int = option(
        0,
        "Seed",
        "Seed of the row order and of random initialization.",
        minimum=0,
        maximum=2**31 - 1,
    )
    factor_bits: int = bits_option("latents and decoder")

    def __post_init__(self) -> None:
        # Building it validates factor_bits.
        assert self.factor_storage
        parse_widths(self.encoder, "encoder")
        parse_widths(self.decoder, "decoder")
        if not self.cosine + self.power_l1 + self.rmse + self.output:
            raise CompressionError(
                "All loss weights of the autoencoder are 0, so there is nothing to minimise: set "
                "cosine, power_l1, rmse or output above 0."
            )
        if self.norms == "folded" and (self.bias or self.tanh or self.activation == "elu"):
            raise CompressionError(
                "norms=folded needs a decoder that scales with its latent: set bias=false, "
                "tanh=false and activation=leaky_relu or none, or use norms=stored."
            )
        if self.latent_activation and self.initialization == "svd":
            raise CompressionError(
                "initialization=svd needs latents of both signs: set latent_activation=false or "
                "initialization=random."
            )
        if self.latent_epochs > self.epochs:
            raise CompressionError(
                f"latent_epochs is {self.latent_epochs}, but there are only {self.epochs} epochs; "
                "lower latent_epochs or raise epochs."
            )

    @property
    def factor_storage(self) -> FactorStorage:
        """Storage format of the latents and the decoder's weights."""
        return FactorStorage(bits=self.factor_bits)
