"""Average pooling as a convolution: the same numbers, and no partition of its own."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from skinedge.compress.heads import plan, run_heads
from skinedge.compress.pooling import pooling_as_convolution, refuse_average_pooling
from skinedge.compress.quantize import float32_tflite, int8_tflite, plain_int8_tflite
from skinedge.errors import CompressionError
from skinedge.train.batches import normalise

PICTURES = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def model() -> Any:
    """DenseNet's pooling, Inception's, and one with a stride and an uneven edge."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    pixels = x = keras.Input((32, 32, 3), name="pixels")
    for index, (pool, strides, padding) in enumerate(
        ((2, 2, "valid"), (3, 1, "same"), (3, 2, "same"))
    ):
        x = layers.Conv2D(8, 3, padding="same", activation="relu", name=f"conv{index}")(x)
        x = layers.AveragePooling2D(pool, strides, padding, name=f"pool{index}")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(pixels, layers.Dense(7, name="logits")(x))


def test_it_is_the_same_in_float(model: Any) -> None:
    views = normalise(PICTURES)
    expected = model.predict(views, verbose=0)
    assert np.ptp(expected, axis=0).max() > 0.01
    ours = pooling_as_convolution(model).predict(views, verbose=0)
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_int8_is_one_partition_and_as_near(model: Any) -> None:
    full = run_heads(float32_tflite(model), PICTURES).probabilities
    ours, plain = int8_tflite(model, PICTURES, ""), plain_int8_tflite(model, PICTURES)
    assert plan(ours).partitions == 1
    assert plan(plain).partitions == 4
    lost = [np.abs(run_heads(file, PICTURES).probabilities - full).mean() for file in (ours, plain)]
    assert lost[0] < 1.2 * lost[1] + 0.5 / 256


def test_a_network_without_any_stays_itself() -> None:
    pixels = keras.Input((8, 8, 3))
    model = keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(pixels))
    assert pooling_as_convolution(model) is model


def test_training_with_the_rounding_refuses_it_at_once(model: Any) -> None:
    with pytest.raises(CompressionError, match=r"'pool0' is an average pooling.*: slim55-int8$"):
        refuse_average_pooling(model, "slim55-qat-int8")
