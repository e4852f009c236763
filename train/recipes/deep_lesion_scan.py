"""ResNet50 with Soft-Attention after the last block, trained in two stages."""

from __future__ import annotations

from ..augment import Augmentation
from ..zoo.placement import placed
from ..zoo.spec import ModelSpec
from .loss import Loss
from .recipe import Published, Recipe, Stage

__all__ = ["DEEP_LESION_SCAN"]

DEEP_LESION_SCAN = Recipe(
    name="deep-lesion-scan",
    source="ResNet50 + Soft-Attention",
    spec=ModelSpec("resnet50", placed("soft", "resnet50"), 224, dropout=0.5),
    stages=(
        Stage(224, 5, 1e-3, 1e-4, trains="head"),
        Stage(224, 25, 1e-4, 1e-6),
    ),
    images_per_epoch=0,
    batch_size=32,
    sampling_power=0.5,
    sharp_share=0.75,
    loss=Loss("cross-entropy", label_smoothing=0.1, class_weights="inverse-frequency"),
    optimizer="adam",
    patience=8,
    augmentation=Augmentation(min_area=0.7),
    published=Published(
        "Deep Lesion Scan, ResNet50 + Soft-Attention",
        (),
        "HAM10000, 7 classes",
        23_587_712,
        (
            "The block is our form of Soft-Attention, which int8 preserves; --attention "
            "soft-published takes the published one.",
            "Rare classes are drawn more often, each time as a new view, instead of being "
            "augmented by a factor per class.",
        ),
    ),
)
