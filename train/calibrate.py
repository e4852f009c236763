"""Turn trained logits into the probabilities that ship: class prior and temperature.

Logits are first brought to what they would say if all classes were equally common (`EqualPrior`;
loss `logit-adjusted` trains them so). Pure argmax of those maximises balanced accuracy; adding
the log of the natural class frequencies (Menon et al. 2021, arXiv 2007.07314, section 4.1) ranks
images better and lowers false alarms.
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

__all__ = ["Calibration", "EqualPrior", "fit_calibration", "fold", "unfold", "unread"]

TEMPERATURES = (0.05, 100.0)  # margin losses multiply logits by 30
STRENGTHS = tuple(round(0.05 * step, 2) for step in range(21))


@dataclass(frozen=True)
class EqualPrior:
    """How a loss' logits become logits for equally common classes: scale * logits - log_prior.

    Attributes:
        scale: what the loss multiplies logits by before its softmax.
        log_prior: log of the class shares that the logits have learned, `[classes]`.
    """

    scale: float
    log_prior: tuple[float, ...]

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        return np.asarray(logits, np.float64) * self.scale - np.array(self.log_prior)


@dataclass(frozen=True)
class Calibration:
    """Shipped logits are (equal-prior logits + prior_strength * log prior) / temperature.

    Attributes:
        prior_strength: 0 to 1.
        temperature: above 0.
        prior: natural share of each class among the training lesions, sums to 1.
    """

    prior_strength: float
    temperature: float
    prior: tuple[float, ...]

    def _shift(self) -> np.ndarray:
        return self.prior_strength * np.log(np.array(self.prior))

    def equal_prior(self, shipped: np.ndarray) -> np.ndarray:
        """Back from shipped logits `[n, classes]` to those for equally common classes, float64."""
        return np.asarray(shipped, np.float64) * self.temperature - self._shift()


def fit_calibration(logits: np.ndarray, labels: np.ndarray, prior: np.ndarray) -> Calibration:
    """Choose the strength that minimises (1 - balanced accuracy) * (1 - macro AUROC), then the
    temperature that minimises the log loss.

    A product, so that it is relative gains that count alike: the two shortfalls differ in size.

    Args:
        logits: for equally common classes, float `[n, classes]`, of the validation split.
        labels: int `[n]`.
        prior: natural share of each class in training, `[classes]`, sums to 1.
    """

    def shortfall(strength: float) -> tuple[float, float]:
        probabilities = softmax(logits + strength * np.log(prior), axis=1)
        missed = 1 - balanced_accuracy(labels, probabilities)
        return missed * (1 - macro_auroc(labels, probabilities)), missed  # which breaks ties

    strength = min(STRENGTHS, key=shortfall)
    shifted = logits + strength * np.log(prior)

    def log_loss(log_temperature: float) -> float:
        scaled = log_softmax(shifted / np.exp(log_temperature), axis=1)
        return float(-scaled[range(len(labels)), labels].mean())

    best = minimize_scalar(log_loss, bounds=np.log(TEMPERATURES), method="bounded")
    return Calibration(float(strength), round(float(np.exp(best.x)), 4), tuple(map(float, prior)))


def fold(logits_layer: Any, equal_prior: EqualPrior, calibration: Calibration) -> None:
    """Put the calibration into a Dense layer's kernel and bias."""
    kernel, bias = logits_layer.get_weights()
    shift = calibration._shift() - np.array(equal_prior.log_prior)
    temperature = calibration.temperature
    logits_layer.set_weights(
        [kernel * equal_prior.scale / temperature, (bias * equal_prior.scale + shift) / temperature]
    )


def unfold(logits_layer: Any, calibration: Calibration) -> None:
    """Make a calibrated Dense layer answer for equally common classes again, as teachers must."""
    kernel, bias = logits_layer.get_weights()
    temperature = calibration.temperature
    logits_layer.set_weights([kernel * temperature, bias * temperature - calibration._shift()])


def unread(logits_layer: Any, equal_prior: EqualPrior) -> None:
    """Make a Dense layer that answers for equally common classes one whose logits, read by
    `equal_prior`, are what it answered: where a training by another loss goes on."""
    kernel, bias = logits_layer.get_weights()
    log_prior = np.array(equal_prior.log_prior)
    logits_layer.set_weights([kernel / equal_prior.scale, (bias + log_prior) / equal_prior.scale])
