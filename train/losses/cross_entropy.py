"""Cross-entropy on logits, with class weights."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from .weighted import Weighted

__all__ = ["CrossEntropy", "cross_entropy"]


def cross_entropy(targets: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """`[n]`; unlike `ops.categorical_crossentropy`, right also where targets (weighted by class)
    do not sum to 1: TensorFlow's fused kernel returns another gradient there."""
    return -ops.sum(targets * ops.log_softmax(logits, axis=-1), axis=-1)


@keras.saving.register_keras_serializable("skinedge")
class CrossEntropy(Weighted):
    """Cross-entropy on logits.

    Args:
        weights: of each class; None counts all alike.
        label_smoothing: 0 to 1 (Szegedy et al. 2016, arXiv 1512.00567, section 7).
    """

    def __init__(
        self,
        weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        name: str = "cross_entropy",
    ) -> None:
        super().__init__(weights, label_smoothing, name)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """`y_true` shares of classes `[n, classes]`, `y_pred` logits `[n, classes]` -> `[n]`."""
        _, targets, logits = self.read(y_true, y_pred)
        return cross_entropy(targets, logits)
