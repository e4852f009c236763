"""Training losses on logits, in keras.ops so that every backend runs them.

A recipe names its loss as plain data (`Loss`); `build_loss` makes the Keras object. All of them
take labels that are shares of classes (MixUp, CutMix, label smoothing), not only one-hot ones.
Two classes are two logits and a softmax: there is no separate binary case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from skinedge.errors import UsageError

from .calibrate import EqualPrior
from .recipes.loss import Loss
from .zoo.table import row

__all__ = [
    "CLASS_WEIGHTS",
    "LOSSES",
    "CrossEntropy",
    "Focal",
    "LargeMarginFocal",
    "LogitAdjusted",
    "Margin",
    "build_loss",
    "equal_prior",
]


def _targets(labels: keras.KerasTensor, smoothing: float) -> keras.KerasTensor:
    return labels * (1 - smoothing) + smoothing / labels.shape[-1]


def _cross_entropy(targets: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """`[n]`; unlike `ops.categorical_crossentropy`, right also where targets (weighted by class)
    do not sum to 1: TensorFlow's fused kernel returns another gradient there."""
    return -ops.sum(targets * ops.log_softmax(logits, axis=-1), axis=-1)


def _focal(
    targets: keras.KerasTensor, logits: keras.KerasTensor, gamma: float
) -> keras.KerasTensor:
    """`[n]`, in log space. `keras.losses.CategoricalFocalCrossentropy` clips probabilities to
    1e-7 instead: an image that is wrong by 16 logits or more gives it no gradient at all."""
    log_p = ops.log_softmax(logits, axis=-1)
    # The bound keeps the slope of a power below 1 finite where p is 1.
    missing = ops.maximum(-ops.expm1(log_p), 1e-7)
    return -ops.sum(targets * ops.power(missing, gamma) * log_p, axis=-1)


class _Weighted(keras.losses.Loss):
    """What the losses below share: class weights and label smoothing, and their configuration.

    A weight multiplies its class's share of the (smoothed) label, as in PyTorch's CrossEntropyLoss;
    the mean over a batch stays a mean over images.
    """

    def __init__(self, weights: Sequence[float] | None, label_smoothing: float, name: str) -> None:
        super().__init__(name=name)
        self.weights = None if weights is None else [float(w) for w in weights]
        self.label_smoothing = label_smoothing

    def _read(
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


@keras.saving.register_keras_serializable("skinedge")
class CrossEntropy(_Weighted):
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
        _, targets, logits = self._read(y_true, y_pred)
        return _cross_entropy(targets, logits)


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


@keras.saving.register_keras_serializable("skinedge")
class Focal(_Weighted):
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
        _, targets, logits = self._read(y_true, y_pred)
        return _focal(targets, logits, self.gamma)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable("skinedge")
class Margin(_Weighted):
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
        labels, targets, logits = self._read(y_true, y_pred)
        margins = ops.convert_to_tensor(self.margins, logits.dtype)
        return _cross_entropy(targets, self.scale * (logits - labels * margins))

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "counts": self.counts,
            "max_margin": self.max_margin,
            "scale": self.scale,
        }


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
        _, targets, logits = self._read(y_true, y_pred)
        margin = super().call(y_true, y_pred)
        return self.margin_weight * margin + self.focal_weight * _focal(targets, logits, self.gamma)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "gamma": self.gamma,
            "margin_weight": self.margin_weight,
            "focal_weight": self.focal_weight,
        }


def _inverse_frequency(prior: Sequence[float], counts: Sequence[int]) -> list[float]:
    """1 / (classes * prior). Of draws, not of the dataset: what sampling has evened out already
    is not evened out twice, and the mean weight of a draw is 1."""
    return (1 / (len(prior) * np.array(prior))).tolist()


def _effective_number(prior: Sequence[float], counts: Sequence[int]) -> list[float]:
    """(1 - b) / (1 - b ** n), scaled to mean 1 over classes, with b = 0.9999: Cui et al. 2019
    (arXiv 1901.05555, equation 4); what LDAM's authors use. Of the dataset, however it is drawn."""
    numbers = -np.expm1(np.maximum(np.array(counts, np.float64), 1) * np.log(0.9999))
    occurs = np.array(counts) > 0
    weights = 1 / numbers / (1 / numbers[occurs]).mean()
    return np.where(occurs, weights, 1.0).tolist()


def _logit_adjusted(
    loss: Loss, prior: Sequence[float], weights: list[float] | None
) -> keras.losses.Loss:
    if weights is not None:
        raise UsageError(
            "loss 'logit-adjusted' corrects the class prior itself: it takes class weights 'none', "
            f"not {loss.class_weights!r}"
        )
    return LogitAdjusted(list(prior), loss.label_smoothing)


_Build = Callable[[Loss, Sequence[float], Sequence[int], "list[float] | None"], keras.losses.Loss]

LOSSES: dict[str, _Build] = {
    "cross-entropy": lambda loss, prior, counts, weights: CrossEntropy(
        weights, loss.label_smoothing
    ),
    "logit-adjusted": lambda loss, prior, counts, weights: _logit_adjusted(loss, prior, weights),
    "focal": lambda loss, prior, counts, weights: Focal(loss.gamma, weights, loss.label_smoothing),
    "ldam": lambda loss, prior, counts, weights: Margin(
        counts, loss.max_margin, loss.scale, weights, loss.label_smoothing
    ),
    "lmf": lambda loss, prior, counts, weights: LargeMarginFocal(
        counts,
        loss.max_margin,
        loss.scale,
        loss.gamma,
        loss.margin_weight,
        loss.focal_weight,
        weights,
        loss.label_smoothing,
    ),
}

CLASS_WEIGHTS: dict[str, Callable[[Sequence[float], Sequence[int]], list[float] | None]] = {
    "none": lambda prior, counts: None,
    "inverse-frequency": _inverse_frequency,
    "effective-number": _effective_number,
}


def equal_prior(loss: Loss, prior: Sequence[float], counts: Sequence[int]) -> EqualPrior:
    """How logits trained with `loss` are brought to equally common classes.

    A loss that weighs classes learns the prior of its draws times the weights. That is exact for
    cross-entropy and close for the focal and margin losses, whose logits have no prior of their
    own definition.
    """
    scale = loss.scale if loss.name in ("ldam", "lmf") else 1.0
    if loss.name == "logit-adjusted":
        return EqualPrior(scale, (0.0,) * len(prior))
    weights = row(CLASS_WEIGHTS, "class weights", loss.class_weights)(prior, counts)
    learned = np.array(prior) * (1 if weights is None else np.array(weights))
    # A class that was never drawn is not made likelier for being rare.
    learned[np.array(counts) == 0] = learned.max()
    return EqualPrior(scale, tuple(np.log(learned / learned.sum()).tolist()))


def build_loss(loss: Loss, prior: Sequence[float], counts: Sequence[int]) -> keras.losses.Loss:
    """The Keras loss on logits `[n, classes]` that `loss` describes.

    Args:
        loss: what to build.
        prior: share of each class among the training draws, above 0, sums to 1.
        counts: images or lesions of each class.

    Raises:
        UsageError: a name that is in no table, or class weights on top of a logit adjustment.
    """
    weights = row(CLASS_WEIGHTS, "class weights", loss.class_weights)(prior, counts)
    return row(LOSSES, "loss", loss.name)(loss, prior, counts, weights)
