"""EfficientNet-B0 weights out of EfficientNet-Lite0's, where Keras cannot download B0's own.

    python -m skinedge.benchmarks.swish_start b0.weights.h5
    skinedge train edge-128-b0 --data ham10000/ --weights b0.weights.h5 --out runs/b0

What swish and squeeze-excite lose under int8 shows only in a network that has learnt something.
B0 is Lite0 with those two: it gets Lite0's ImageNet convolutions and batch normalisations, and
squeeze-excite blocks whose gates are one half at first, which is made up for; so is the scale of
the pixels, but not the small shift between what the two subtract from them. It starts far from
B0's own accuracy, and training has to bring the pieces together.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import keras
import numpy as np

from skinedge.benchmarks.command import as_command
from skinedge.errors import UsageError
from skinedge.train.zoo.build import build
from skinedge.train.zoo.spec import PIXEL_SCALE, ModelSpec
from skinedge.train.zoo.statistics import IMAGENET_DEVIATION
from skinedge.train.zoo.weights import load_imagenet

__all__ = ["lite_as_b0"]

SIZE = 128
GATE = 0.5  # of a squeeze-excite block whose last layer answers zero


def _mixing(model: Any) -> list[Any]:
    """Convolutions and batch normalisations in their order, squeeze-excite left out."""
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.BatchNormalization)
    return [x for x in model.layers if isinstance(x, kinds) and "_se_" not in x.name]


def lite_as_b0(seed: int = 1) -> Any:
    """`keras.applications.EfficientNetB0` without its classifier, with Lite0's ImageNet weights.

    Args:
        seed: of the squeeze-excite blocks' first layers.

    Raises:
        ModelFileError: Lite0's weight package is not installed.
    """
    lite = build(ModelSpec("efficientnet-lite0", (), SIZE), keras)
    load_imagenet(lite, "efficientnet-lite0")
    keras.utils.set_random_seed(seed)
    b0 = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(SIZE, SIZE, 3)
    )
    for ours, theirs in zip(_mixing(b0), _mixing(lite), strict=True):
        weights = theirs.get_weights()
        if ours.name == "stem_conv":
            weights[0] = weights[0] * (255 * IMAGENET_DEVIATION * PIXEL_SCALE)[:, np.newaxis]
        elif ours.name.endswith("_project_conv"):
            weights[0] = weights[0] / GATE
        ours.set_weights(weights)
    for layer in b0.layers:
        if layer.name.endswith("_se_expand"):
            layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    return b0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="the file to write; ends in .weights.h5")
    arguments = parser.parse_args()
    if not arguments.out.name.endswith(".weights.h5"):
        raise UsageError(f"{arguments.out}: Keras wants a name that ends in .weights.h5")
    lite_as_b0().save_weights(arguments.out)


if __name__ == "__main__":
    as_command(main)
