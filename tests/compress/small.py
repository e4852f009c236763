"""A network of a few thousand weights with every kind of layer that compression treats apart."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from draw_lesion import draw

from skinedge.image import to_input
from skinedge.train.batches import normalise
from skinedge.train.zoo.attention import ATTENTION

__all__ = ["SIZE", "small"]

SIZE = 64


def small(block: str = "soft") -> Any:
    """Two separable stages, an attention block, a head, with lively weights.

    Input `[n, 64, 64, 3]`; outputs seven logits and, where the block has one, a 16x16 map.
    """
    keras.utils.set_random_seed(0)
    layers = keras.layers
    pixels = x = keras.Input((SIZE, SIZE, 3), name="pixels")
    for index, filters in enumerate((16, 32)):
        x = layers.Conv2D(filters, 3, 2, "same", use_bias=False, name=f"conv{index}")(x)
        x = layers.BatchNormalization(name=f"bn{index}")(x)
        x = layers.ReLU(6.0, name=f"relu{index}")(x)
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"dw{index}")(x)
        x = layers.BatchNormalization(name=f"dw_bn{index}")(x)
        x = layers.ReLU(6.0, name=f"dw_relu{index}")(x)
    x, attention = ATTENTION[block].build(keras, x, "attention")
    x = layers.Conv2D(64, 1, use_bias=False, name="head")(x)
    x = layers.BatchNormalization(name="head_bn")(x)
    x = layers.ReLU(6.0, name="head_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(0.1, seed=0, name="dropout")(x)
    logits = layers.Dense(7, name="logits")(x)
    model = keras.Model(pixels, [logits] if attention is None else [logits, attention])
    return _lively(model)


def _lively(model: Any) -> Any:
    """Weights as after training: statistics fit the data, nothing is neutral, answers differ."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            gamma, _, mean, variance = layer.get_weights()
            scale, shift = rng.uniform(0.5, 1.5, gamma.shape), rng.normal(0, 0.3, gamma.shape)
            layer.set_weights([scale, shift, mean, variance])
            layer.momentum = 0.0
        elif layer.weights:
            layer.set_weights([w + rng.normal(0, 0.1, w.shape) for w in layer.get_weights()])
    pixels = normalise(np.stack([to_input(draw(i, 72, 96), SIZE, SIZE) for i in range(32)]))
    model(pixels, training=True)  # takes the statistics of this one batch
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.momentum = 0.99
    features = keras.Model(model.inputs, model.get_layer("pool").output)(pixels)
    features = keras.ops.convert_to_numpy(features)
    kernel = rng.normal(0, 1, (features.shape[1], 7)).astype(np.float32)
    kernel *= 1.5 / (features @ kernel).std(axis=0)
    model.get_layer("logits").set_weights([kernel, -(features @ kernel).mean(axis=0)])
    return model
