"""Autoencoder presets: the settings of the two papers (P1, P2) and our own (Lab)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compress_lib.utils.options import OptionValue

P1: dict[str, OptionValue] = {
    "batch_size": 32,
    "eval_every": 1,
    "initialization": "random",
}
P2: dict[str, OptionValue] = {
    "batch_size": 16,
    "decay": 0.8,
    "decay_epochs": 10,
    "cosine": 0.9091,
    "power_l1": 0.0,
    "rmse": 0.0909,
    "encoder": "8,4",
    "decoder": "2,4",
    "activation": "leaky_relu",
    "latent_activation": True,
    "tanh": True,
    "norms": "stored",
    "use_full_budget": False,
    "initialization": "random",
    "select_best_by": "loss",
    "eval_every": 1,
}

LAB: dict[str, OptionValue] = {
    "learning_rate": 3e-3,
    "cosine": 1.0,
    "power_l1": 0.0,
    "encoder": "8,4",
    "decoder": "4",
    "bias": False,
    "norms": "folded",
    "norm_target": "least_squares",
    "latent_epochs": 15,
    "select_best_by": "direction_error",
}
"""SVD initialization, row norms folded into the latents, final epochs on the latents alone."""
