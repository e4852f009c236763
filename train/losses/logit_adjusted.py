"""Cross-entropy that takes the class prior out of the logits: Menon et al. 2021."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

__all__ = ["LogitAdjusted"]


@keras.saving.register_keras_serializable("skinedge")
class LogitAdjusted(keras.losses.Loss):
    """Cross-entropy on logits shifted by the log prior of what was sampled.

    Menon et al. 2021 (arXiv 2007.07314, equation 10). The network's own logits then answer as
    if all classes were equally common, which is what balanced accuracy asks for.

    Args:
        prior: share of each class among the training draws, sums to 1.
        label_smoothing: 0 to 1.
    """

    def __init__(
        self, prior: list[float], label_smoothing: float = 0.0, name: str = "logit_adjusted"
    ) -> None:
        super().__init__(name=name)
        self.prior = [float(p) for p in prior]
        self.label_smoothing = label_smoothing
        self._shift = np.log(np.array(self.prior, np.float32))

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """`y_true` shares of classes `[n, classes]`, `y_pred` logits `[n, classes]` -> `[n]`."""
        # PyTorch adds no numpy array to a tensor that wants a gradient.
        shifted = ops.convert_to_tensor(y_pred) + ops.convert_to_tensor(self._shift)
        return keras.losses.categorical_crossentropy(
            y_true, shifted, from_logits=True, label_smoothing=self.label_smoothing
        )

    def get_config(self) -> dict[str, object]:
        return {"prior": self.prior, "label_smoothing": self.label_smoothing, "name": self.name}
