"""SVD in which a row weighs as much as the sum of its gradients' absolute values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compress_lib.methods.base import register
from compress_lib.methods.gradient_svd import GradientSVD


@register
@dataclass(frozen=True, kw_only=True)
class SensitivitySVD(GradientSVD):
    """SVD of diag(w) W, undone, with w the rows' L1 sensitivity.

    Source: Banaei et al. 2023, arXiv 2302.04045, w = Σ |gradient|.
    """

    name: ClassVar[str] = "sensitivity_svd"
    label: ClassVar[str] = "Sensitivity-weighted SVD"
    summary: ClassVar[str] = "Weighs rows by the absolute gradient of the text's log-likelihood."
    paper: ClassVar[str] = "Banaei et al. 2023 (L1 sensitivity)"
    statistics: ClassVar[dict[str, str]] = {
        "likelihood": "sensitivity",
        "probability": "sensitivity_probability",
    }
    squared: ClassVar[bool] = False
