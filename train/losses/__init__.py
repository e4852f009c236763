"""Training losses on logits by name, in keras.ops so that every backend runs them.

A recipe names its loss as plain data (`Loss`); `build_loss` makes the Keras object. All of them
take labels that are shares of classes (MixUp, CutMix, label smoothing), not only one-hot ones.
Two classes are two logits and a softmax: there is no separate binary case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np

from skinedge.errors import UsageError

from ..calibrate import EqualPrior
from ..recipes.loss import Loss
from ..zoo.table import row
from .class_weights import CLASS_WEIGHTS
from .cross_entropy import CrossEntropy
from .focal import Focal
from .large_margin_focal import LargeMarginFocal
from .logit_adjusted import LogitAdjusted
from .margin import Margin

__all__ = ["LOSSES", "build_loss", "equal_prior"]


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
