"""SVD in which a row weighs as much as the loss is sensitive to it: FWSVD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compress_lib.methods.base import register
from compress_lib.methods.gradient_svd import GradientSVD


@register
@dataclass(frozen=True, kw_only=True)
class FisherSVD(GradientSVD):
    """Least squared error weighted by the rows' Fisher information.

    Source: Hsu et al. 2022, arXiv 2207.00112: SVD of diag(w) W with w the root of the sum of
    squared gradients. `normalization=sum` is that; a squared error is weighted by the sum itself.
    """

    name: ClassVar[str] = "fisher_svd"
    label: ClassVar[str] = "Fisher-weighted SVD"
    summary: ClassVar[str] = "Weighs rows by the squared gradient of the text's log-likelihood."
    paper: ClassVar[str] = "Hsu et al. 2022 (FWSVD)"
    statistics: ClassVar[dict[str, str]] = {
        "likelihood": "fisher",
        "probability": "fisher_probability",
    }
    squared: ClassVar[bool] = True
