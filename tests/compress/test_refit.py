"""The refitted last layer answers closer to float on images it has not seen."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from draw_lesion import draw
from tiny import TINY

from skinedge.compress.quantize import int8_tflite
from skinedge.compress.refit import refit_logits
from skinedge.image import to_input
from skinedge.train.batches import normalise
from skinedge.train.zoo.attention import FLOAT_IN_INT8
from skinedge.train.zoo.build import build
from skinedge.train.zoo.weights import load_imagenet

COLOURS = ((112, 66, 48), (40, 30, 30), (190, 60, 60), (150, 110, 70))


def _pictures(seeds: range) -> np.ndarray:
    drawn = [draw(seed, 72, 96, COLOURS[seed % 4], ragged=(seed % 5) / 5) for seed in seeds]
    return np.stack([to_input(picture, 64, 64) for picture in drawn])


def test_a_systematic_error_of_int8_is_taken_back() -> None:
    """Features that are all a little too large stand in for errors that agree over images."""
    keras.utils.set_random_seed(0)
    model = build(TINY.spec, keras)
    load_imagenet(model, "efficientnet-lite0")
    kernel, bias = model.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([kernel + 0.01, bias])  # so that the shift adds up
    off = keras.models.clone_model(model)
    off.set_weights(model.get_weights())
    scale, shift, mean, variance = off.get_layer("head_bn").get_weights()
    off.get_layer("head_bn").set_weights([scale, shift + 0.5, mean, variance])
    seen, unseen = _pictures(range(160)), normalise(_pictures(range(200, 240)))
    exact = model.predict(unseen, verbose=0)[0]
    features = keras.Model(off.inputs, off.get_layer("pool").output).predict(unseen, verbose=0)

    def error(of: Any) -> float:
        kernel, bias = of.get_layer("logits").get_weights()
        return float(np.sqrt(np.mean((features @ kernel + bias - exact) ** 2)))

    before = model.get_layer("logits").get_weights()[0]
    refitted = refit_logits(model, int8_tflite(off, seen[:32], FLOAT_IN_INT8), seen)
    assert error(refitted) < 0.5 * error(model)
    assert np.array_equal(model.get_layer("logits").get_weights()[0], before), "left as it was"
