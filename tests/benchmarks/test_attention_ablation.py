"""Ablation: the model cut in two at its map is still the model, and maps reach the answer."""

from __future__ import annotations

import keras
import numpy as np
from tiny import TINY

from skinedge.benchmarks.attention_ablation import with_maps
from skinedge.train.zoo.build import build
from skinedge.train.zoo.weights import load_imagenet


def test_the_two_halves_chain_to_the_whole() -> None:
    keras.utils.set_random_seed(0)
    model = build(TINY.spec, keras)
    load_imagenet(model, "efficientnet-lite0")  # random weights let signals fade to 1e-12
    before, after = with_maps(model)
    x = np.random.default_rng(0).standard_normal((2, 64, 64, 3)).astype(np.float32)
    features, maps = before.predict(x, verbose=0)
    logits, attention = model.predict(x, verbose=0)
    np.testing.assert_allclose(maps, attention, atol=1e-6)
    np.testing.assert_allclose(after.predict([features, maps], verbose=0), logits, atol=1e-4)
    one_corner = np.zeros_like(maps)
    one_corner[:, 0] = 1
    moved = after.predict([features, one_corner], verbose=0)
    assert np.abs(moved - logits).max() > 1e-3
