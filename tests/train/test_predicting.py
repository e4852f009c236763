"""Many images in parts: the answers of one pass, without all of them in memory."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from skinedge.train.batches import normalise
from skinedge.train.predicting import PART, outputs_of

BATCH = 8


@pytest.mark.parametrize("count", [1, BATCH * PART, BATCH * PART + 1, 3 * BATCH * PART - 3])
def test_parts_answer_as_one_pass_does(count: int) -> None:
    keras.utils.set_random_seed(1)
    pixels = keras.Input((6, 6, 3))
    features = keras.layers.Conv2D(4, 3)(pixels)
    model = keras.Model(pixels, [keras.layers.Flatten()(features), features])
    images = np.random.default_rng(0).integers(0, 256, (count, 6, 6, 3), np.uint8)
    prepared = []

    def prepare(part: np.ndarray) -> np.ndarray:
        prepared.append(len(part))
        return normalise(part)

    ours = outputs_of(model, images, BATCH, prepare)
    filled = np.concatenate([images, images[-1:].repeat(-count % BATCH, axis=0)])
    theirs = model.predict(normalise(filled), batch_size=BATCH, verbose=0)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other[:count], strict=True)
    assert sum(prepared) == count
    assert max(prepared) <= BATCH * PART
