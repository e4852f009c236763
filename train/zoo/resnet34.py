"""ResNet34 as one table and the loop that walks it; `keras.applications` has none.

Source: He et al. 2016 (arXiv 1512.03385, table 1, 34 layers; shortcuts of option B, a projection
where the shape changes). Padding is symmetric and batch normalisation as in torchvision, whose
weights are the ones to be had; layers bear its names, with `_` for its `.`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from skinedge.errors import UsageError

from .statistics import adapt

__all__ = ["SMALLEST", "BasicBlocks", "resnet"]

STEM_FILTERS = 64
BN_EPSILON = 1e-5
SMALLEST = 32  # the network's stride, and where keras.applications draws the line

# filters, stride: ResNet's stages
STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))


@dataclass(frozen=True)
class BasicBlocks:
    """A ResNet of blocks of two convolutions.

    Attributes:
        repeats: blocks of each stage.
    """

    repeats: tuple[int, int, int, int]


def _padded(keras: ModuleType, x: Any, name: str, margin: int) -> Any:
    return keras.layers.ZeroPadding2D(margin, name=f"{name}_pad")(x)


def _conv_bn(
    keras: ModuleType, x: Any, names: tuple[str, str], filters: int, kernel: int, stride: int
) -> Any:
    """Convolution and batch normalisation."""
    layers, (conv, norm) = keras.layers, names
    # Without a stride `same` pads every side alike, as PyTorch does; with one, it does not.
    padding = "same" if stride == 1 else "valid"
    if stride > 1 and kernel > 1:
        x = _padded(keras, x, conv, kernel // 2)
    x = layers.Conv2D(filters, kernel, stride, padding=padding, use_bias=False, name=conv)(x)
    return layers.BatchNormalization(epsilon=BN_EPSILON, name=norm)(x)


def _basic_block(keras: ModuleType, x: Any, name: str, filters: int, stride: int) -> Any:
    layers, shortcut = keras.layers, x
    x = _conv_bn(keras, x, (f"{name}_conv1", f"{name}_bn1"), filters, 3, stride)
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = _conv_bn(keras, x, (f"{name}_conv2", f"{name}_bn2"), filters, 3, 1)
    if stride > 1 or shortcut.shape[-1] != filters:
        names = (f"{name}_downsample_0", f"{name}_downsample_1")
        shortcut = _conv_bn(keras, shortcut, names, filters, 1, stride)
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_relu2")(x)


def resnet(
    keras: ModuleType, blocks: BasicBlocks, size: int, attend: Callable[[Any, str], Any]
) -> tuple[Any, Any]:
    """Walk stem and stages.

    `attend(x, place)` is called after each stage, and with `final` on the last feature map.

    Returns:
        (input `[n, size, size, 3]` in [-1, 1], features `[n, ceil(size/32), ceil(size/32), 512]`).

    Raises:
        UsageError: the size is smaller than 32.
    """
    if size < SMALLEST:
        raise UsageError(f"input size {size}: ResNet takes at least {SMALLEST}x{SMALLEST}")
    layers, pixels = keras.layers, keras.Input((size, size, 3), name="pixels")
    x = adapt(keras, pixels, "torch")
    x = _conv_bn(keras, x, ("conv1", "bn1"), STEM_FILTERS, 7, 2)
    x = layers.ReLU(name="relu")(x)
    x = _padded(keras, x, "maxpool", 1)  # nothing is below zero after a ReLU
    x = layers.MaxPooling2D(3, 2, name="maxpool")(x)
    for stage, (filters, stride) in enumerate(STAGES, 1):
        for block in range(blocks.repeats[stage - 1]):
            step = stride if block == 0 else 1
            x = _basic_block(keras, x, f"layer{stage}_{block}", filters, step)
        x = attend(x, f"stage{stage}")
    return pixels, attend(x, "final")
