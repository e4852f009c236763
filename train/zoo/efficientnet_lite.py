"""EfficientNet-Lite 0/1/2 as one table and the loop that walks it.

The Lite family drops squeeze-excite and swish (ReLU6 instead) and leaves stem and head
unscaled, so that it quantizes to int8 without loss and runs as one XNNPACK partition.
Source: Tan & Le 2019 (arXiv 1905.11946, table 1 and section 3.3) with the "lite" changes of
TensorFlow TPU `efficientnet/lite/README.md`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from skinedge.errors import UsageError

__all__ = ["STAGES", "Scaling", "efficientnet_lite"]

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
class Scaling:
    """Coefficients of one family member."""

    width: float
    depth: float


def _round_filters(filters: int, width: float, divisor: int = 8) -> int:
    scaled = filters * width
    rounded = max(divisor, int(scaled + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * scaled else rounded


def _conv_bn(
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
        x = _conv_bn(keras, x, f"{name}_expand", channels * expansion, 1, 1, relu=True)
    x = _conv_bn(keras, x, f"{name}_depth", None, kernel, stride, relu=True)
    x = _conv_bn(keras, x, f"{name}_project", filters, 1, 1, relu=False)
    if stride == 1 and channels == filters:
        x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def efficientnet_lite(
    keras: ModuleType, scaling: Scaling, size: int, attend: Callable[[Any, str], Any]
) -> tuple[Any, Any]:
    """Walk stem, stages and head.

    `attend(x, place)` is called after each stage, and with `final` before the head convolution.

    Returns:
        (input `[n, size, size, 3]` in [-1, 1], features `[n, size/32, size/32, 1280]`).

    Raises:
        UsageError: the size is not a multiple of 32.
    """
    if size < 32 or size % 32:
        raise UsageError(f"input size {size} is not a positive multiple of 32")
    pixels = keras.Input((size, size, 3), name="pixels")
    x = _conv_bn(keras, pixels, "stem", STEM_FILTERS, 3, 2, relu=True)
    block = 0
    for stage, (kernel, repeats, filters, expansion, stride) in enumerate(STAGES, 1):
        edge_stage = stage in (1, len(STAGES))
        depth = repeats if edge_stage else math.ceil(repeats * scaling.depth)
        width = _round_filters(filters, scaling.width)
        for repeat in range(depth):
            x = _inverted_residual(
                keras, x, f"block{block}", kernel, width, expansion, stride if repeat == 0 else 1
            )
            block += 1
        x = attend(x, f"stage{stage}")
    x = attend(x, "final")
    return pixels, _conv_bn(keras, x, "head", HEAD_FILTERS, 1, 1, relu=True)
