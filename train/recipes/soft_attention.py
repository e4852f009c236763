"""Soft-Attention inside their four networks and ResNet50: Datta et al. 2021, arXiv 2105.03358."""

from __future__ import annotations

from ..augment import Augmentation
from ..zoo.placement import placed
from ..zoo.spec import ModelSpec
from .loss import Loss
from .recipe import Published, Recipe, Stage

__all__ = ["SOFT_ATTENTION"]

CITATION = (
    "Datta, Shaikh, Srihari & Gao, Soft-Attention Improves Skin Cancer Classification "
    "Performance, 2021, arXiv 2105.03358"
)
HERE = (
    "The block stands on the last feature map; the authors' code cuts the network at a layer "
    "number, which another Keras version counts otherwise.",
    "The recipe is HAM10000's; --task melanoma and --task keratosis ask ISIC 2017's two questions.",
    "A lesion is drawn first and then one of its images, and the split is by lesion.",
    "The class weights are ours: the inverse frequency of each class among the draws.",
)
RESNET50 = ("Their ResNet is ResNet34 (soft-attention-resnet34); this is ResNet50.",)
RESNET34 = (
    "Keras has no ResNet34: this one is torchvision's. Whose theirs was is not known here.",
)
BEST = (("weighted precision on HAM10000", 0.937), ("sensitivity on ISIC 2017", 0.916))


def _recipe(
    name: str,
    backbone: str,
    size: int,
    parameters: int,
    reported: bool = False,
    differences: tuple[str, ...] = (),
) -> Recipe:
    return Recipe(
        name=f"soft-attention-{name}",
        source="Datta et al. 2021",
        spec=ModelSpec(
            backbone, placed("soft-published", backbone), size, dropout=0.5, head="flatten"
        ),
        stages=(Stage(size, 150, 0.01, 0.01, schedule="constant"),),
        images_per_epoch=0,
        batch_size=16,
        sampling_power=1.0,
        sharp_share=0.75,
        loss=Loss("cross-entropy", class_weights="inverse-frequency"),
        optimizer="adam",
        epsilon=0.1,
        patience=40,
        augmentation=Augmentation(rotation=180.0, blur_probability=0.0),
        published=Published(
            CITATION,
            BEST if reported else (),
            "HAM10000 (7 classes) and ISIC 2017 (melanoma against the rest)",
            parameters,
            (*differences, *HERE),
        ),
    )


# Parameters are those of keras.applications without the classifier; ResNet34's are torchvision's
# 21,284,672 and the moving statistics, which Keras counts.
SOFT_ATTENTION = (
    _recipe("irv2", "inception-resnet-v2", 299, 54_336_736, reported=True),
    _recipe("resnet", "resnet50", 224, 23_587_712, differences=RESNET50),
    _recipe("resnet34", "resnet34", 224, 21_301_696, differences=RESNET34),
    _recipe("vgg16", "vgg16", 224, 14_714_688),
    _recipe("densenet201", "densenet201", 224, 18_321_984),
)
