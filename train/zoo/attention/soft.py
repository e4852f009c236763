"""Soft-Attention: heads of 3x3 convolutions say where to look (Datta et al. 2021)."""

from __future__ import annotations

from types import ModuleType
from typing import Any

__all__ = ["SOFT_ATTENTION_HEADS", "published_soft_attention", "soft_attention"]

SOFT_ATTENTION_HEADS = 16
PUBLISHED_GAMMA = 0.01


def _map(keras: ModuleType, x: Any, heads: int, name: str) -> Any:
    """arXiv 2105.03358, section 3.2: `[n, h, w, c]` -> `[n, h*w]`, the mean over heads of a
    softmax over positions; sums to 1."""
    layers = keras.layers
    logits = layers.Conv2D(
        heads,
        3,
        padding="same",
        activation="relu",
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        name=f"{name}_heads",
    )(x)
    per_head = layers.Reshape((x.shape[1] * x.shape[2], heads), name=f"{name}_flat")(logits)
    per_head = layers.Permute((2, 1), name=f"{name}_by_head")(per_head)
    per_head = layers.Softmax(name=f"{name}_softmax")(per_head)
    return layers.GlobalAveragePooling1D(name=f"{name}_map")(per_head)


def _weighted(
    keras: ModuleType, x: Any, attention: Any, scale: float, gamma: Any, name: str
) -> Any:
    """features x map x scale x learnable gamma."""
    layers = keras.layers
    _, height, width, _ = x.shape
    weights = layers.Reshape((height, width, 1), name=f"{name}_grid")(attention)
    weights = layers.Rescaling(scale, name=f"{name}_scale")(weights)
    weights = layers.DepthwiseConv2D(
        1, use_bias=False, depthwise_initializer=gamma, name=f"{name}_gamma"
    )(weights)
    return layers.Multiply(name=f"{name}_apply")([x, weights])


def soft_attention(
    keras: ModuleType, x: Any, name: str, heads: int = SOFT_ATTENTION_HEADS
) -> tuple[Any, Any]:
    """Soft-Attention in a form that the classifier uses and int8 preserves.

    Datta et al. 2021 (arXiv 2105.03358, section 3.2): `K` heads come from a 3x3 convolution over
    all channels, ReLU, and a softmax over the positions of each; the heads are summed;
    features x map x learnable gamma are concatenated with the features.

    As published, the map multiplies features by about 1/(h*w) and gamma starts at 0.01, so the
    branch all but vanishes and the classifier learns to ignore it. Here the map is brought to
    mean 1 before gamma (h*w/K of the published sum), and gamma starts at 1. That is the same
    function with gamma reparametrised, but both halves of the concatenation start out equally
    loud.
    """
    attention = _map(keras, x, heads, name)
    positions = float(x.shape[1] * x.shape[2])
    attended = _weighted(keras, x, attention, positions, "ones", name)
    return keras.layers.Concatenate(name=f"{name}_concat")([x, attended]), attention


def published_soft_attention(
    keras: ModuleType, x: Any, name: str, heads: int = SOFT_ATTENTION_HEADS
) -> tuple[Any, Any]:
    """Soft-Attention as published and as the authors' code has it inside a network.

    The map is the sum over heads, gamma starts at 0.01. Attended features and the features
    themselves are both max-pooled 2x2, concatenated and rectified (arXiv 2105.03358, section
    3.3); dropout 0.5, Flatten and Dense follow in the head.
    """
    layers = keras.layers
    attention = _map(keras, x, heads, name)
    gamma = keras.initializers.Constant(PUBLISHED_GAMMA)
    attended = _weighted(keras, x, attention, float(heads), gamma, name)

    def pooled(features: Any, what: str) -> Any:
        return layers.MaxPooling2D(2, padding="same", name=f"{name}_pool_{what}")(features)

    both = [pooled(x, "skip"), pooled(attended, "attended")]
    both = layers.Concatenate(name=f"{name}_concat")(both)
    return layers.ReLU(name=f"{name}_relu")(both), attention
