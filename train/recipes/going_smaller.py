"""Attention in EfficientNet-B3: Nazari & Garcia, "Going smaller", 2025."""

from __future__ import annotations

from ..augment import Augmentation
from ..tasks import TASKS
from ..zoo.placement import placed
from ..zoo.spec import ModelSpec, Placed
from .loss import Loss
from .recipe import Published, Recipe, Stage

__all__ = ["GOING_SMALLER"]

BACKBONE = "efficientnet-b3"
SIZE = 384

PUBLISHED = Published(
    "Nazari & Garcia, Going smaller: attention-based models for automated melanoma diagnosis, "
    "Comput. Biol. Med. 185 (2025) 109492",
    (
        ("ROC-AUC", 0.82),
        ("F1", 0.84),
        ("PR-AUC", 0.54),
        ("sensitivity", 0.96),
        ("specificity", 0.21),
        ("share of parameters saved against the three ISIC 2020 winners, up to", 0.95),
    ),
    "melanoma in an independent set; trained on ISIC 2019 + 2020",
    None,
    (
        "Which of their losses each reported figure belongs to is not said here; the recipes use "
        "focal loss, --loss ldam and --loss lmf are the others.",
        "Both sets are joined by --data isic2019/ --data isic2020/, and split by lesion and by "
        "patient; how the authors split is not known here.",
        "LDAM and LMF go without the normalised last layer of the LDAM paper.",
    ),
)


def _recipe(name: str, attention: tuple[Placed, ...]) -> Recipe:
    return Recipe(
        name=f"going-smaller-{name}",
        source="Nazari & Garcia 2025",
        task="isic2019",
        spec=ModelSpec(BACKBONE, attention, SIZE, TASKS["isic2019"].classes),
        stages=(Stage(SIZE, 35, 3e-5, 3e-7, warm_up=1.0),),
        images_per_epoch=0,
        batch_size=64,
        sampling_power=1.0,
        sharp_share=0.75,
        loss=Loss("focal"),
        optimizer="adam",
        patience=35,
        augmentation=Augmentation(
            distortion=0.03,
            hue=8.0,
            clahe_probability=0.3,
            noise=0.03,
            cutout_holes=1,
            cutout_size=0.3,
        ),
        test_views=8,
        folds=5,
        published=PUBLISHED,
    )


GOING_SMALLER = (
    _recipe("s2mlp", placed("s2", BACKBONE)),
    _recipe("s2mlp-cbam", (*placed("cbam", BACKBONE), *placed("s2", BACKBONE))),
    _recipe("sge", placed("sge", BACKBONE)),
    _recipe("spatial", placed("spatial", BACKBONE)),
)
