"""The default model: EfficientNet-Lite with Soft-Attention at 192 pixels; and a short comparison.

Small images first: at 128 pixels two cores see 2.5 times as many per second. The last stage
restarts at a lower rate and averages its weights.
"""

from __future__ import annotations

from dataclasses import replace

from ..augment import Augmentation
from ..zoo.placement import placed
from ..zoo.spec import ModelSpec
from .loss import Loss
from .recipe import Recipe, Stage

__all__ = ["EDGE", "EDGE_128", "EDGE_128_B0"]

EDGE = Recipe(
    name="edge",
    source="SkinEdge",
    spec=ModelSpec("efficientnet-lite2", placed("soft", "efficientnet-lite2"), 192),
    stages=(
        Stage(128, 12, 6e-4, 5e-5),
        Stage(192, 9, 3e-4, 1e-6, ema_momentum=0.995),
    ),
    images_per_epoch=6000,
    batch_size=32,
    sampling_power=0.5,
    sharp_share=0.75,
    loss=Loss("logit-adjusted", label_smoothing=0.1),
    weight_decay=0.02,
    patience=10,
    # A third, so that a 4:3 picture squashed to a square and its undistorted middle look alike.
    augmentation=Augmentation(aspect=0.3),
)

# Small and short enough to train every attention block on two cores, one schedule for all.
EDGE_128 = replace(
    EDGE,
    name="edge-128",
    spec=ModelSpec("efficientnet-lite0", placed("soft", "efficientnet-lite0"), 128),
    stages=(Stage(128, 8, 6e-4, 1e-5, ema_momentum=0.99),),
    images_per_epoch=5000,
)

# With swish and squeeze-excite, to see what those cost under int8 and what brings it back.
EDGE_128_B0 = replace(
    EDGE_128,
    name="edge-128-b0",
    spec=ModelSpec("efficientnet-b0", placed("soft", "efficientnet-b0"), 128),
)
