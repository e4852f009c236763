"""A loss as a recipe writes it down; `train.losses` makes the Keras object."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Loss"]


@dataclass(frozen=True)
class Loss:
    """A loss as a recipe writes it down; what a loss does not use is ignored.

    Attributes:
        name: a row of `losses.LOSSES`.
        label_smoothing: share of each label spread evenly over all classes, 0 to 1.
        class_weights: a row of `losses.class_weights.CLASS_WEIGHTS`; "logit-adjusted" takes none.
        gamma: how much less an image counts the better it is recognised; of "focal" and "lmf".
        max_margin: margin of the rarest class, before scaling; of "ldam" and "lmf".
        scale: what margins and logits are multiplied by; of "ldam" and "lmf".
        margin_weight: weight of the margin term in "lmf".
        focal_weight: weight of the focal term in "lmf".
    """

    name: str = "logit-adjusted"
    label_smoothing: float = 0.0
    class_weights: str = "none"
    gamma: float = 2.0
    max_margin: float = 0.5
    scale: float = 30.0
    margin_weight: float = 1.0
    focal_weight: float = 1.0
