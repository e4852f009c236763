"""Focal loss: Lin et al. 2017."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from .weighted import Weighted

__all__ = ["Focal", "focal"]


def focal(targets: keras.KerasTensor, logits: keras.KerasTensor, gamma: float) -> keras.KerasTensor:
    """`[n]`, in log space. `keras.losses.CategoricalFocalCrossentropy` clips probabilities to
    1e-7 instead: an image that is wrong by 16 logits or more gives it no gradient at all."""
    log_p = ops.log_softmax(logits, axis=-1)
    # The bound keeps the slope of a power below 1 finite where p is 1.
    missing = ops.maximum(-ops.expm1(log_p), 1e-7)
    return -ops.sum(targets * ops.power(missing, gamma) * log_p, axis=-1)


@keras.saving.register_keras_serializable("skinedge")
class Focal(Weighted):
    """Focal loss: images that are recognised already count less.

    Lin et al. 2017 (arXiv 1708.02002, equation 5), with a softmax where the paper has a sigmoid:
    the sum over classes of `-weight * label * (1 - p) ** gamma * log p`.

    Args:
        gamma: 0 is cross-entropy; the paper's best is 2.
        weights: of each class, the paper's alpha; None counts all alike.
        label_smoothing: 0 to 1.
    """

    def __init__(
        self,
        gamma: float = 2.0,
        weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        name: str = "focal",
    ) -> None:
        super().__init__(weights, label_smoothing, name)
        self.gamma = gamma

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """`y_true` shares of classes `[n, classes]`, `y_pred` logits `[n, classes]` -> `[n]`."""
        _, targets, logits = self.read(y_true, y_pred)
        return focal(targets, logits, self.gamma)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "gamma": self.gamma}
