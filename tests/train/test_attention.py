"""Soft-Attention against the equations of Datta et al. 2021 (arXiv 2105.03358), in numpy."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest

from skinedge.train.zoo.attention import ATTENTION, SOFT_ATTENTION_HEADS, soft_attention

HEIGHT, WIDTH, CHANNELS, HEADS = 5, 7, 6, 4


def block(namespace: ModuleType, heads: int = HEADS) -> Any:
    features = namespace.Input((HEIGHT, WIDTH, CHANNELS))
    return namespace.Model(features, list(soft_attention(namespace, features, heads)))


def random_weights(model: Any, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 0.5, weight.shape).astype(np.float32) for weight in model.get_weights()]


def random_features(seed: int, count: int = 3) -> np.ndarray:
    shape = (count, HEIGHT, WIDTH, CHANNELS)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def summed_maps(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Sum over k of softmax(relu(W_k * t)), section 3.2: `[n, h, w]`, each sums to K."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).astype(np.float64)
    logits = np.zeros((*x.shape[:3], kernel.shape[3]))
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            patch = padded[:, row : row + 3, column : column + 3]
            logits[:, row, column] = np.tensordot(patch, kernel, ((1, 2, 3), (0, 1, 2))) + bias
    exponentials = np.exp(np.maximum(logits, 0))
    return (exponentials / exponentials.sum((1, 2), keepdims=True)).sum(axis=3)


@pytest.mark.parametrize("heads", [1, HEADS, SOFT_ATTENTION_HEADS])
def test_equals_the_published_equations(heads: int) -> None:
    model = block(keras, heads)
    kernel, bias, gamma = weights = random_weights(model, seed=heads)
    model.set_weights(weights)
    x = random_features(seed=1)
    features, attention = map(np.asarray, model(x))

    published_map = summed_maps(x, kernel, bias)
    # Ours is gamma x h x w x mean of the heads; theirs is gamma x sum of the heads.
    published_gamma = gamma.item() * HEIGHT * WIDTH / heads
    attended = published_gamma * x * published_map[..., None]
    np.testing.assert_allclose(features[..., :CHANNELS], x)
    np.testing.assert_allclose(features[..., CHANNELS:], attended, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(attention, published_map.reshape(len(x), -1) / heads, atol=1e-5)


def test_map_is_a_distribution_over_positions() -> None:
    model = block(keras)
    model.set_weights(random_weights(model, seed=2))
    _, attention = map(np.asarray, model(random_features(seed=3)))
    assert attention.shape == (3, HEIGHT * WIDTH)
    assert (attention > 0).all()
    np.testing.assert_allclose(attention.sum(axis=1), 1, rtol=1e-5)
    assert attention.max() > 2 / (HEIGHT * WIDTH)


def test_gamma_scales_the_attended_half_alone() -> None:
    model = block(keras)
    kernel, bias, gamma = random_weights(model, seed=4)
    x = random_features(seed=5)
    model.set_weights([kernel, bias, gamma])
    once, map_once = map(np.asarray, model(x))
    model.set_weights([kernel, bias, 3 * gamma])
    thrice, map_thrice = map(np.asarray, model(x))
    np.testing.assert_array_equal(map_once, map_thrice)
    np.testing.assert_array_equal(once[..., :CHANNELS], thrice[..., :CHANNELS])
    np.testing.assert_allclose(3 * once[..., CHANNELS:], thrice[..., CHANNELS:], rtol=1e-5)


def test_both_halves_start_equally_loud() -> None:
    model = block(keras)
    kernel, bias, gamma = model.get_weights()
    assert gamma.item() == 1
    model.set_weights([0 * kernel, 0 * bias, gamma])
    x = random_features(seed=6)
    features, attention = map(np.asarray, model(x))
    np.testing.assert_allclose(attention, 1 / (HEIGHT * WIDTH), rtol=1e-6)
    np.testing.assert_allclose(features[..., CHANNELS:], x, rtol=1e-6)


def test_map_is_row_major() -> None:
    model = block(keras)
    weights = [np.zeros_like(weight) for weight in model.get_weights()]
    weights[0][1, 1] = 1  # only the centre of the 3x3 window looks
    model.set_weights(weights)
    x = np.zeros((1, HEIGHT, WIDTH, CHANNELS), np.float32)
    x[0, 1, 5] = 1
    _, attention = map(np.asarray, model(x))
    assert attention[0].argmax() == 1 * WIDTH + 5


def test_keras_2_and_3_agree() -> None:
    one, other = block(keras), block(pytest.importorskip("tf_keras"))
    weights = random_weights(one, seed=7)
    assert [w.shape for w in other.get_weights()] == [w.shape for w in weights]
    x = random_features(seed=8)
    for model in (one, other):
        model.set_weights(weights)
    for ours, theirs in zip(one(x), other(x), strict=True):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-6, atol=1e-7)


def test_the_ablation_passes_features_on() -> None:
    features = keras.Input((HEIGHT, WIDTH, CHANNELS))
    assert ATTENTION["none"](keras, features) == (features, None)
