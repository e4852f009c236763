"""The refitted last layer answers closer to float on images it has not seen."""

from __future__ import annotations

import keras
import numpy as np
from draw_lesion import draw

from skinedge.compress.quantize import int8_tflite
from skinedge.compress.refit import refit_logits
from skinedge.image import to_input
from skinedge.runtime import Network
from skinedge.train.batches import normalise
from skinedge.train.zoo.attention import FLOAT_IN_INT8
from skinedge.train.zoo.build import build
from skinedge.train.zoo.spec import ModelSpec
from skinedge.train.zoo.weights import load_imagenet

COLOURS = ((112, 66, 48), (40, 30, 30), (190, 60, 60), (150, 110, 70))


def _pictures(seeds: range) -> np.ndarray:
    drawn = [draw(seed, 72, 96, COLOURS[seed % 4], ragged=(seed % 5) / 5) for seed in seeds]
    return np.stack([to_input(picture, 64, 64) for picture in drawn])


def test_unseen_images_come_closer_to_float() -> None:
    keras.utils.set_random_seed(0)
    model = build(ModelSpec("efficientnet-lite0", "soft", 64), keras)
    load_imagenet(model, "efficientnet-lite0")
    dense = model.get_layer("logits")
    kernel, bias = dense.get_weights()
    dense.set_weights([kernel * 8, bias])
    seen, unseen = _pictures(range(160)), _pictures(range(200, 240))
    logits = model.predict(normalise(unseen), verbose=0)[0]
    exact = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    def error(flatbuffer: bytes) -> float:
        network = Network(flatbuffer, "int8", threads=1)
        heads = [network.run(picture) for picture in unseen]
        ours = np.stack([next(head for head in two if len(head) == 7) for two in heads])
        return float(np.abs(ours - exact).mean())

    plain = int8_tflite(model, seen[:32], FLOAT_IN_INT8)
    refitted = refit_logits(model, plain, seen)
    assert np.array_equal(dense.get_weights()[0], kernel * 8), "the model itself must not change"
    assert error(int8_tflite(refitted, seen[:32], FLOAT_IN_INT8)) < error(plain)
