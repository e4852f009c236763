"""The smallest recipe that still takes every step of the real one."""

from __future__ import annotations

from skinedge.train.recipes import Loss, Recipe, Stage
from skinedge.train.zoo.placement import placed
from skinedge.train.zoo.spec import ModelSpec

__all__ = ["TINY"]

TINY = Recipe(
    name="tiny",
    source="tests",
    spec=ModelSpec("efficientnet-lite0", placed("soft", "efficientnet-lite0"), 64),
    stages=(Stage(32, 1, 1e-3, 1e-4), Stage(64, 2, 1e-3, 1e-4, ema_momentum=0.9)),
    images_per_epoch=64,
    batch_size=16,
    sampling_power=0.5,
    sharp_share=0.5,
    loss=Loss("logit-adjusted", label_smoothing=0.1),
    weight_decay=0.01,
    patience=5,
)
