"""The default model: EfficientNet-Lite0 with Soft-Attention at 192 pixels; and its first stage.

Small images first: at 128 pixels two cores see 2.5 times as many per second. The last stage
restarts at a lower rate and averages its weights.
"""

from __future__ import annotations

from dataclasses import replace

from ..augment import Augmentation
from ..zoo.spec import ModelSpec
from .recipe import Recipe, Stage

__all__ = ["EDGE", "EDGE_128"]

EDGE = Recipe(
    name="edge",
    source="SkinEdge",
    spec=ModelSpec("efficientnet-lite0", "soft", 192),
    stages=(
        Stage(128, 15, 6e-4, 5e-5),
        Stage(192, 10, 3e-4, 1e-6),
        Stage(192, 14, 2.5e-4, 2e-6, ema_momentum=0.998),
    ),
    images_per_epoch=6000,
    batch_size=32,
    sampling_power=0.5,
    sharp_share=0.75,
    label_smoothing=0.1,
    weight_decay=0.02,
    patience=10,
    augmentation=Augmentation(),
)

# Small and short enough to train every ablation on two cores.
EDGE_128 = replace(
    EDGE, name="edge-128", spec=replace(EDGE.spec, input_size=128), stages=EDGE.stages[:1]
)
