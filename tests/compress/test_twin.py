"""The twin in Keras 2 is the same function, and its weights come back."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tf_keras
from tiny import TINY

from skinedge.compress.twin import twin, untwin
from skinedge.errors import CompressionError
from skinedge.train.zoo.build import build
from skinedge.train.zoo.placement import placed


def _stirred(backbone: str, block: str, size: int = 64) -> Any:
    """A model none of whose weights is a neutral 0 or 1, so that each one matters."""
    keras.utils.set_random_seed(0)
    spec = replace(TINY.spec, backbone=backbone, attention=placed(block, backbone), input_size=size)
    model = build(spec, keras)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if "BatchNormalization" in type(layer).__name__:
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
        else:
            layer.set_weights([w + rng.normal(0, 0.01, w.shape) for w in layer.get_weights()])
    return model


def _answers(model: Any, pixels: np.ndarray) -> list[np.ndarray]:
    outputs = model(pixels, training=False)
    return [np.asarray(o) for o in (outputs if isinstance(outputs, list) else [outputs])]


@pytest.mark.parametrize(
    ("backbone", "block"),
    [
        ("efficientnet-lite0", "soft"),
        ("efficientnet-lite0", "cbam"),  # calls layers twice
        ("efficientnet-lite0", "sge"),
        ("efficientnet-lite0", "s2"),
        ("mobilenet-v3-small", "none"),  # operations without a layer, hard activations
    ],
)
def test_the_twin_answers_alike(backbone: str, block: str) -> None:
    model = _stirred(backbone, block)
    pixels = np.random.default_rng(1).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    copy = twin(model)
    expected = _answers(model, pixels)
    for ours, theirs in zip(_answers(copy, pixels), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    for layer in copy.layers:  # Keras 2's fused kernel multiplies in another order
        if isinstance(layer, tf_keras.layers.BatchNormalization):
            layer.fused = False
    for ours, theirs in zip(_answers(copy, pixels), expected, strict=True):
        assert np.abs(ours - theirs).max() == 0.0


def test_weights_come_back() -> None:
    model = _stirred("efficientnet-lite0", "soft")
    before = model.get_weights()
    copy = twin(model)
    copy.set_weights([weight + 1 for weight in copy.get_weights()])
    back = untwin(copy, model)
    assert isinstance(back, keras.Model)
    assert all(np.array_equal(b, w + 1) for b, w in zip(back.get_weights(), before, strict=True))
    assert all(np.array_equal(m, w) for m, w in zip(model.get_weights(), before, strict=True))


class Doubled(keras.layers.Layer):
    def call(self, inputs: Any) -> Any:
        return 2 * inputs


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (Doubled(name="mine"), "Doubled"),
        (keras.layers.Activation("log_softmax", name="mine"), "Activation"),
    ],
)
def test_a_layer_without_twin_is_named(layer: Any, kind: str) -> None:
    pixels = keras.Input((8,))
    with pytest.raises(CompressionError, match=rf"layer mine \({kind}\).*recipe"):
        twin(keras.Model(pixels, layer(pixels)))


def test_keras_3_stays_keras_3() -> None:
    """tensorflow-model-optimization asks all of TensorFlow for Keras 2 when it is imported."""
    code = (
        "import os, skinedge.compress.twin, tensorflow as tf;"
        "print(tf.keras.version()[0], os.environ.get('TF_USE_LEGACY_KERAS'))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert said.stdout.split() == ["3", "None"]
