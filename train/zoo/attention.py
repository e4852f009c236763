"""Attention blocks: one short function each, stock layers only, with the paper beside it.

A block takes features `[n, h, w, c]` and returns the features the head reads and the map
`[n, h*w]` (row-major, non-negative, each sums to 1), or None where there is no map.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

__all__ = ["ATTENTION", "FLOAT_IN_INT8", "SOFT_ATTENTION_HEADS", "no_attention", "soft_attention"]

SOFT_ATTENTION_HEADS = 16

# Layers that an int8 file computes in float32: see compress/quantize.py for why.
FLOAT_IN_INT8 = ("attention_softmax",)


def soft_attention(keras: ModuleType, x: Any, heads: int = SOFT_ATTENTION_HEADS) -> tuple[Any, Any]:
    """Soft-Attention, Datta et al. 2021 (arXiv 2105.03358, section 3.2).

    `K` heads come from a 3x3 convolution over all channels, ReLU, and a softmax over the
    positions of each; the heads are summed; features x map x learnable gamma are concatenated
    with the features.

    As published, the map multiplies features by about 1/(h*w) and gamma starts at 0.01, so the
    branch all but vanishes and the classifier learns to ignore it. Here the map is brought to
    mean 1 before gamma (h*w/K of the published sum), and gamma starts at 1. That is the same
    function with gamma reparametrised, but both halves of the concatenation start out equally
    loud.
    """
    layers = keras.layers
    _, height, width, _ = x.shape
    positions = height * width
    logits = layers.Conv2D(
        heads,
        3,
        padding="same",
        activation="relu",
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        name="attention_heads",
    )(x)
    per_head = layers.Reshape((positions, heads), name="attention_flat")(logits)
    per_head = layers.Permute((2, 1), name="attention_by_head")(per_head)
    per_head = layers.Softmax(name="attention_softmax")(per_head)
    attention = layers.GlobalAveragePooling1D(name="attention_map")(per_head)

    weights = layers.Reshape((height, width, 1), name="attention_grid")(attention)
    weights = layers.Rescaling(float(positions), name="attention_mean_one")(weights)
    weights = layers.DepthwiseConv2D(
        1, use_bias=False, depthwise_initializer="ones", name="attention_gamma"
    )(weights)
    attended = layers.Multiply(name="attention_apply")([x, weights])
    return layers.Concatenate(name="attention_concat")([x, attended]), attention


def no_attention(keras: ModuleType, x: Any) -> tuple[Any, None]:
    """The ablation: features go on as they are."""
    del keras
    return x, None


ATTENTION = {"none": no_attention, "soft": soft_attention}
