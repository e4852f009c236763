"""Turn trained logits into the probabilities that ship: class prior and temperature.

Training leaves logits that treat all classes as equally common (`losses.LogitAdjusted`). Pure
argmax of those maximises balanced accuracy; adding the log of the natural class frequencies
(Menon et al. 2021, arXiv 2007.07314, section 4.1) ranks images better and lowers false alarms.
`prior_strength` between 0 and 1 says how much of it is added; then one temperature (Guo et al.
2017, arXiv 1706.04599, section 4.2) fits the confidence. Both are chosen on the validation
split and folded into the last layer, so that a plain softmax follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from .metrics import balanced_accuracy, macro_auroc

__all__ = ["Calibration", "fit_calibration", "fold"]

STRENGTHS = tuple(round(0.05 * step, 2) for step in range(21))


@dataclass(frozen=True)
class Calibration:
    """Shipped logits are (logits + prior_strength * log prior) / temperature."""

    prior_strength: float
    temperature: float


def fit_calibration(logits: np.ndarray, labels: np.ndarray, prior: np.ndarray) -> Calibration:
    """Choose the strength that maximises balanced accuracy + macro AUROC, then the temperature
    that minimises the log loss.

    Args:
        logits: float `[n, classes]`, of the validation split.
        labels: int `[n]`.
        prior: natural share of each class in training, `[classes]`, sums to 1.
    """

    def score(strength: float) -> float:
        probabilities = softmax(logits + strength * np.log(prior), axis=1)
        return balanced_accuracy(labels, probabilities) + macro_auroc(labels, probabilities)

    strength = max(STRENGTHS, key=score)
    shifted = logits + strength * np.log(prior)

    def log_loss(temperature: float) -> float:
        return float(-log_softmax(shifted / temperature, axis=1)[range(len(labels)), labels].mean())

    best = minimize_scalar(log_loss, bounds=(0.1, 10.0), method="bounded")
    return Calibration(float(strength), round(float(best.x), 4))


def fold(logits_layer: Any, calibration: Calibration, prior: np.ndarray) -> None:
    """Put the calibration into a Dense layer's kernel and bias."""
    kernel, bias = logits_layer.get_weights()
    shift = calibration.prior_strength * np.log(prior)
    logits_layer.set_weights(
        [kernel / calibration.temperature, (bias + shift) / calibration.temperature]
    )
