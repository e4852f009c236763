"""LogitAdjusted against Menon et al. 2021 (arXiv 2007.07314, equation 10)."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.special import log_softmax

from skinedge.train.losses import LogitAdjusted

PRIOR = [0.7, 0.2, 0.1]
LOGITS = np.random.default_rng(0).normal(0, 3, (12, 3)).astype(np.float32)
LABELS = np.arange(12) % 3
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]


def value(loss: LogitAdjusted, one_hot: np.ndarray = ONE_HOT, logits: np.ndarray = LOGITS) -> float:
    return float(loss(one_hot, logits))


def test_equation_10() -> None:
    """-log(prior_y exp(f_y) / sum_c prior_c exp(f_c))."""
    weighted = PRIOR * np.exp(LOGITS.astype(np.float64))
    expected = -np.log(weighted[range(12), LABELS] / weighted.sum(axis=1))
    loss = LogitAdjusted(PRIOR)
    np.testing.assert_allclose(loss.call(ONE_HOT, LOGITS), expected, rtol=1e-5)
    assert value(loss) == pytest.approx(expected.mean(), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_label_smoothing_spreads_the_label_over_all_classes(smoothing: float) -> None:
    targets = ONE_HOT * (1 - smoothing) + smoothing / 3
    expected = -(targets * log_softmax(LOGITS + np.log(PRIOR), axis=1)).sum(axis=1).mean()
    assert value(LogitAdjusted(PRIOR, smoothing)) == pytest.approx(expected, rel=1e-5)


def test_a_uniform_prior_is_plain_cross_entropy() -> None:
    plain = keras.losses.CategoricalCrossentropy(from_logits=True)
    expected = float(plain(ONE_HOT, LOGITS))
    assert value(LogitAdjusted([1 / 3] * 3)) == pytest.approx(expected, rel=1e-6)
    assert value(LogitAdjusted(PRIOR)) != pytest.approx(expected, rel=1e-2)


def test_what_it_leaves_in_the_logits_is_free_of_the_prior() -> None:
    """With nothing to see, the best logits are equal though the labels follow the prior."""
    labels = np.eye(3, dtype=np.float32)[np.repeat(range(3), [7, 2, 1])]
    loss = LogitAdjusted(PRIOR)
    best = value(loss, labels, np.zeros((10, 3), np.float32))
    for other in ([0.3, 0, 0], [0, 0.3, 0], [0, 0, 0.3], np.log(PRIOR)):
        assert value(loss, labels, np.tile(np.float32(other), (10, 1))) > best + 0.002


def test_configuration_round_trip() -> None:
    loss = LogitAdjusted(np.array(PRIOR), 0.2, name="mine")
    packed = keras.saving.serialize_keras_object(loss)
    again = keras.saving.deserialize_keras_object(packed)
    assert isinstance(again, LogitAdjusted)
    assert again.get_config() == loss.get_config()
    assert loss.get_config() == {"prior": PRIOR, "label_smoothing": 0.2, "name": "mine"}
    assert value(again) == value(loss)


def test_a_compiled_model_round_trips(tmp_path: Path) -> None:
    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Dense(3)(x))
    model.compile("sgd", loss=LogitAdjusted(PRIOR, 0.1))
    expected = model.evaluate(LOGITS, ONE_HOT, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.evaluate(LOGITS, ONE_HOT, verbose=0) == pytest.approx(expected)
