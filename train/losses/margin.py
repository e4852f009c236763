"""LDAM, a margin for every class: Cao et al. 2019."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from .cross_entropy import cross_entropy
from .weighted import Weighted

__all__ = ["Margin"]


@keras.saving.register_keras_serializable("skinedge")
class Margin(Weighted):
    """LDAM: a class must win by a margin, the larger the rarer it is.

    Cao et al. 2019 (arXiv 1906.07413, equations 10 to 13): the margin of a class with n images
    is C / n ** (1/4), where C makes the largest `max_margin`, and is taken off the logit of the
    image's own class, in proportion to the label; smoothing does not move it. All logits are then
    multiplied by `scale`.

    The paper's last layer, which normalises features and weights so that logits are cosines, is
    not part of the loss. After any other layer, too, probabilities are softmax(scale * logits).

    Args:
        counts: images or lesions of each class; 0 counts as 1.
        max_margin: margin of the rarest class.
        scale: what logits and margins are multiplied by.
        weights: of each class; None counts all alike. The paper defers them to late epochs.
        label_smoothing: 0 to 1.
    """

    def __init__(
        self,
        counts: Sequence[int],
        max_margin: float = 0.5,
        scale: float = 30.0,
        weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        name: str = "ldam",
    ) -> None:
        super().__init__(weights, label_smoothing, name)
        self.counts = [int(count) for count in counts]
        self.max_margin, self.scale = max_margin, scale
        margins = np.maximum(np.array(self.counts, np.float64), 1) ** -0.25
        # A class that never occurs must not set the measure for those that do.
        largest = margins[np.array(self.counts) > 0].max(initial=margins.min())
        self.margins: list[float] = np.minimum(max_margin / largest * margins, max_margin).tolist()

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """`y_true` shares of classes `[n, classes]`, `y_pred` logits `[n, classes]` -> `[n]`."""
        labels, targets, logits = self.read(y_true, y_pred)
        margins = ops.convert_to_tensor(self.margins, logits.dtype)
        return cross_entropy(targets, self.scale * (logits - labels * margins))

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "counts": self.counts,
            "max_margin": self.max_margin,
            "scale": self.scale,
        }
