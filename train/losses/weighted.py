"""Class weights and label smoothing, which most losses on logits share."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

__all__ = ["Weighted"]


def _targets(labels: keras.KerasTensor, smoothing: float) -> keras.KerasTensor:
    return labels * (1 - smoothing) + smoothing / labels.shape[-1]


class Weighted(keras.losses.Loss):
    """A loss that weighs classes and smooths labels, and its configuration.

    A weight multiplies its class's share of the (smoothed) label, as in PyTorch's CrossEntropyLoss;
    the mean over a batch stays a mean over images.
    """

    def __init__(self, weights: Sequence[float] | None, label_smoothing: float, name: str) -> None:
        super().__init__(name=name)
        self.weights = None if weights is None else [float(w) for w in weights]
        self.label_smoothing = label_smoothing

    def read(
        self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor
    ) -> tuple[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor]:
        """Labels as given, labels smoothed and weighted, logits; each `[n, classes]`."""
        logits = ops.convert_to_tensor(y_pred)
        labels = ops.cast(y_true, logits.dtype)
        targets = _targets(labels, self.label_smoothing)
        if self.weights is not None:
            targets = targets * ops.convert_to_tensor(self.weights, logits.dtype)
        return labels, targets, logits

    def get_config(self) -> dict[str, object]:
        return {
            "weights": self.weights,
            "label_smoothing": self.label_smoothing,
            "name": self.name,
        }
