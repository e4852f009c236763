"""Swish leaves the graph, everything else stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from draw_lesion import draw
from tiny import TINY

from skinedge.compress.activations import (
    exchange_swish,
    refuse_hard_swish,
    replace_activations,
)
from skinedge.compress.recipe import FineTune, Swish
from skinedge.errors import CompressionError, UsageError
from skinedge.image import to_input
from skinedge.train.batches import normalise
from skinedge.train.datasets import open_dataset, split_by_lesion
from skinedge.train.zoo.build import build
from skinedge.train.zoo.placement import placed
from skinedge.train.zoo.spec import ModelSpec


def small(activation: str) -> Any:
    pixels = keras.Input((8, 8, 3), name="pixels")
    x = keras.layers.Conv2D(4, 3, name="conv")(pixels)
    x = keras.layers.Activation(activation, name="act")(x)
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True, name="average")(x)
    gate = keras.layers.Dense(4, activation, name="squeeze")(gate)
    gate = keras.layers.Dense(4, "sigmoid", name="excite")(gate)
    x = keras.layers.Multiply(name="apply")([x, gate])
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(pixels, keras.layers.Dense(2, name="logits")(x))


@pytest.mark.parametrize(("by", "function"), [("relu6", "relu6"), ("hardswish", "hard_silu")])
def test_the_copy_is_the_model_with_the_other_function(by: str, function: str) -> None:
    keras.utils.set_random_seed(1)
    model, expected = small("swish"), small(function)
    expected.set_weights(model.get_weights())
    copy = replace_activations(keras, model, by)
    x = np.random.default_rng(1).normal(size=(2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(copy(x), expected(x))
    assert np.abs(np.asarray(copy(x)) - np.asarray(model(x))).max() > 1e-4
    assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]


def test_fine_tuning_brings_it_back_to_what_it_said(ham10000: Path) -> None:
    keras.utils.set_random_seed(1)
    model = small("swish")
    for layer in model.layers:  # lively enough that swish and ReLU6 differ
        layer.set_weights([3 * weight for weight in layer.get_weights()])
    train = split_by_lesion(open_dataset(ham10000), seed=1).train
    how = Swish("relu6", FineTune(3, learning_rate=5e-3, images_per_epoch=128))
    after, done = exchange_swish(model, model, train, TINY, how, seed=1)
    keras.models.clone_model(after)  # as the refit of the last layer does; not if compiled
    assert done.summary() == "relu6 for swish in 2 layers"

    pictures = normalise(np.stack([to_input(draw(i, 72, 96), 8, 8) for i in range(16)]))
    said = np.asarray(model(pictures))
    before = np.asarray(replace_activations(keras, model, "relu6")(pictures))
    error = [np.abs(answers - said).mean() for answers in (before, np.asarray(after(pictures)))]
    assert error[1] < 0.7 * error[0]


def test_efficientnet_b0_has_none_left() -> None:
    spec = ModelSpec("efficientnet-b0", placed("soft", "efficientnet-b0"), 64)
    model = build(spec, keras)
    copy = replace_activations(keras, model, "relu6")

    def functions(network: Any) -> list[str]:
        with_one = [layer for layer in network.layers if hasattr(layer, "activation")]
        return [layer.activation.__name__ for layer in with_one]

    assert sum(name == "silu" for name in functions(model)) == 49
    assert "silu" not in functions(copy)
    assert functions(copy).count("sigmoid") == functions(model).count("sigmoid") > 0
    assert copy.output_names == model.output_names


def test_what_cannot_be_replaced_is_named() -> None:
    with pytest.raises(UsageError, match="relu6, hardswish"):
        replace_activations(keras, small("swish"), "gelu")
    with pytest.raises(CompressionError, match="no swish"):
        replace_activations(keras, small("relu"), "relu6")


def test_hard_swish_is_refused_before_training_with_the_rounding() -> None:
    with pytest.raises(CompressionError, match=r"'act' is a hard-swish.* relu6-qat-int8"):
        refuse_hard_swish(small("hard_silu"), "qat-int8")
    refuse_hard_swish(small("relu6"), "qat-int8")
