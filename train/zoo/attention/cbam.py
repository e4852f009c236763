"""CBAM: channel attention, then spatial attention (Woo et al. 2018), and the latter alone.

The last layer before a sigmoid starts at zero with an open bias, so a pretrained network starts
almost as it was. From random kernels, gates after seven stages make it forget most of ImageNet.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from .channel import OPEN

__all__ = ["REDUCTION", "cbam", "channel_attention", "spatial_attention"]

REDUCTION = 8
SPATIAL_KERNEL = 7


def channel_attention(
    keras: ModuleType, x: Any, name: str, reduction: int = REDUCTION
) -> tuple[Any, None]:
    """arXiv 1807.06521, equation 2: sigmoid(MLP(average) + MLP(maximum)), one shared MLP."""
    layers = keras.layers
    channels = x.shape[-1]
    hidden = layers.Dense(max(1, channels // reduction), activation="relu", name=f"{name}_squeeze")
    # Counted twice below, once for each pooled vector.
    half_open = keras.initializers.Constant(OPEN / 2)
    excite = layers.Dense(
        channels, kernel_initializer="zeros", bias_initializer=half_open, name=f"{name}_excite"
    )
    average = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_average")(x)
    maximum = layers.GlobalMaxPooling2D(keepdims=True, name=f"{name}_maximum")(x)
    gate = layers.Add(name=f"{name}_sum")([excite(hidden(average)), excite(hidden(maximum))])
    gate = layers.Activation("sigmoid", name=f"{name}_sigmoid")(gate)
    return layers.Multiply(name=f"{name}_apply")([x, gate]), None


def spatial_attention(keras: ModuleType, x: Any, name: str) -> tuple[Any, Any]:
    """arXiv 1807.06521, equation 3: sigmoid of a 7x7 convolution over channel mean and maximum.

    The map is the gate itself, 0 to 1.
    """
    layers = keras.layers
    _, height, width, channels = x.shape
    # Pooling along the last axis of `[n, h*w, c]`: reductions that need no transposition.
    flat = layers.Reshape((height * width, channels), name=f"{name}_flat")(x)
    mean = layers.GlobalAveragePooling1D("channels_first", name=f"{name}_mean")(flat)
    maximum = layers.GlobalMaxPooling1D("channels_first", name=f"{name}_maximum")(flat)
    grids = [
        layers.Reshape((height, width, 1), name=f"{name}_{what}_grid")(pooled)
        for what, pooled in (("mean", mean), ("maximum", maximum))
    ]
    gate = layers.Concatenate(name=f"{name}_concat")(grids)
    gate = layers.Conv2D(
        1,
        SPATIAL_KERNEL,
        padding="same",
        activation="sigmoid",
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(OPEN),
        name=f"{name}_gate",
    )(gate)
    attention = layers.Reshape((height * width,), name=f"{name}_map")(gate)
    return layers.Multiply(name=f"{name}_apply")([x, gate]), attention


def cbam(keras: ModuleType, x: Any, name: str, reduction: int = REDUCTION) -> tuple[Any, Any]:
    """arXiv 1807.06521, equation 1: channel attention first, spatial attention on its result."""
    x, _ = channel_attention(keras, x, f"{name}_channel", reduction)
    return spatial_attention(keras, x, f"{name}_spatial")
