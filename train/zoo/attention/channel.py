"""Channel attention: which features matter, the same at every position."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

__all__ = ["OPEN", "efficient_channel_attention", "squeeze_excite"]

SE_REDUCTION = 16

# Bias of a gate whose kernel starts at zero, so that a pretrained network is not shut:
# sigmoid(3) = 0.95.
OPEN = 3.0


def efficient_channel_attention(keras: ModuleType, x: Any, name: str) -> tuple[Any, None]:
    """ECA, Wang et al. 2020 (arXiv 1910.03151, section 3.2).

    A convolution across the averaged channels, its length the odd number nearest to
    (log2 c + 1) / 2 (equation 12), then a sigmoid gate per channel. The published convolution
    has no bias; with one, the gate starts open, as the other blocks' gates do.
    """
    layers = keras.layers
    channels = x.shape[-1]
    length = int((math.log2(channels) + 1) / 2)
    length += 1 - length % 2
    gate = layers.GlobalAveragePooling2D(name=f"{name}_average")(x)
    gate = layers.Reshape((channels, 1), name=f"{name}_sequence")(gate)
    gate = layers.Conv1D(
        1,
        length,
        padding="same",
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(OPEN),
        name=f"{name}_conv",
    )(gate)
    gate = layers.Activation("sigmoid", name=f"{name}_sigmoid")(gate)
    gate = layers.Reshape((1, 1, channels), name=f"{name}_gate")(gate)
    return layers.Multiply(name=f"{name}_apply")([x, gate]), None


def squeeze_excite(
    keras: ModuleType, x: Any, name: str, reduction: int = SE_REDUCTION
) -> tuple[Any, None]:
    """SE, Hu et al. 2018 (arXiv 1709.01507, equations 2 to 4), reduction 16; starts open."""
    layers = keras.layers
    channels = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_average")(x)
    hidden = max(1, channels // reduction)
    gate = layers.Dense(hidden, activation="relu", name=f"{name}_squeeze")(gate)
    gate = layers.Dense(
        channels,
        activation="sigmoid",
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(OPEN),
        name=f"{name}_excite",
    )(gate)
    return layers.Multiply(name=f"{name}_apply")([x, gate]), None
