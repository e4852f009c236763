"""From our input to the pixel values that a backbone's ImageNet weights were trained on.

A frozen 1x1 convolution does it inside the network, so that padding pads with the right zero.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from .spec import PIXEL_SCALE, PIXEL_ZERO

__all__ = ["IMAGENET_DEVIATION", "adapt", "statistics"]

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225])
CAFFE_MEAN_BGR = np.array([103.939, 116.779, 123.68])


def statistics(mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Kernel `[1, 1, 3, 3]` and bias `[3]`, float32, from our input to a mode's values.

    Our input is (pixel - 127) / 128, so pixel = 128 x + 127.
    """
    if mode == "caffe":
        matrix, offset = np.eye(3)[::-1], -CAFFE_MEAN_BGR
    elif mode == "torch":
        matrix = np.diag(1 / (255 * IMAGENET_DEVIATION))
        offset = -IMAGENET_MEAN / IMAGENET_DEVIATION
    else:
        matrix, offset = np.eye(3) / 127.5, -np.ones(3)
    bias = matrix.sum(axis=0) * PIXEL_ZERO + offset
    return (matrix / PIXEL_SCALE)[None, None].astype(np.float32), bias.astype(np.float32)


def adapt(keras: ModuleType, pixels: Any, mode: str) -> Any:
    """The frozen layer `statistics` on our input `[n, h, w, 3]`; `mode` as for `statistics`."""
    kernel, bias = statistics(mode)
    return keras.layers.Conv2D(
        3,
        1,
        kernel_initializer=keras.initializers.Constant(kernel),
        bias_initializer=keras.initializers.Constant(bias),
        trainable=False,
        name="statistics",
    )(pixels)
