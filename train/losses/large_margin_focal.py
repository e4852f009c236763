"""LMF, LDAM and focal loss together: Sadi et al. 2022."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from .focal import focal
from .margin import Margin

__all__ = ["LargeMarginFocal"]


@keras.saving.register_keras_serializable("skinedge")
class LargeMarginFocal(Margin):
    """LMF: a weighted sum of LDAM and focal loss.

    Sadi et al. 2022, "LMFLoss" (arXiv 2212.12741): margin_weight * LDAM + focal_weight * focal.
    Only the margin term scales the logits.

    Args:
        counts, max_margin, scale, weights, label_smoothing: see `Margin`.
        gamma: see `Focal`.
        margin_weight, focal_weight: of the two terms.
    """

    def __init__(
        self,
        counts: Sequence[int],
        max_margin: float = 0.5,
        scale: float = 30.0,
        gamma: float = 2.0,
        margin_weight: float = 1.0,
        focal_weight: float = 1.0,
        weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        name: str = "lmf",
    ) -> None:
        super().__init__(counts, max_margin, scale, weights, label_smoothing, name)
        self.gamma = gamma
        self.margin_weight, self.focal_weight = margin_weight, focal_weight

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """`y_true` shares of classes `[n, classes]`, `y_pred` logits `[n, classes]` -> `[n]`."""
        _, targets, logits = self.read(y_true, y_pred)
        margin = super().call(y_true, y_pred)
        return self.margin_weight * margin + self.focal_weight * focal(targets, logits, self.gamma)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "gamma": self.gamma,
            "margin_weight": self.margin_weight,
            "focal_weight": self.focal_weight,
        }
