"""Multiply-accumulates against sums by hand and published counts."""

from __future__ import annotations

import keras
import pytest

from skinedge.train.zoo.build import build
from skinedge.train.zoo.cost import multiply_accumulates, parameters
from skinedge.train.zoo.spec import ModelSpec


def test_counts_by_hand() -> None:
    x = keras.Input((8, 6, 3))
    y = keras.layers.Conv2D(5, 3, strides=2, padding="same")(x)  # 4 x 3 positions
    y = keras.layers.DepthwiseConv2D(3, padding="same")(y)
    y = keras.layers.GlobalAveragePooling2D()(y)
    shared = keras.layers.Dense(5)
    y = keras.layers.Dense(7)(shared(shared(y)))
    model = keras.Model(x, y)
    assert multiply_accumulates(model) == 12 * 27 * 5 + 12 * 9 * 5 + 2 * 25 + 35
    assert parameters(model) == (27 * 5 + 5) + (9 * 5 + 5) + 30 + (35 + 7)


@pytest.mark.parametrize(
    ("backbone", "published"),
    [
        ("resnet50", 3.8e9),  # He et al. 2016, table 1
        ("efficientnet-b0", 0.39e9),  # Tan & Le 2019, table 2
        ("efficientnet-lite0", 0.385e9 + 0.022e9),  # TensorFlow TPU's README, dense layer included
    ],
)
def test_counts_as_published(backbone: str, published: float) -> None:
    classes = tuple(str(number) for number in range(1000))
    model = build(ModelSpec(backbone, (), 224, classes), keras)
    assert multiply_accumulates(model) == pytest.approx(published, rel=0.06)
