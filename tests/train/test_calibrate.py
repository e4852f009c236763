"""Class prior and temperature: chosen well, and folded into the last layer exactly."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from skinedge.train.calibrate import (
    STRENGTHS,
    Calibration,
    EqualPrior,
    fit_calibration,
    fold,
    unfold,
)

UNIFORM = np.full(3, 1 / 3)
SKEWED = np.array([0.8, 0.15, 0.05])


def sample(
    seed: int, prior: np.ndarray = UNIFORM, images: int = 4000
) -> tuple[np.ndarray, np.ndarray]:
    """Labels in these shares, and the ideal logits of a network blind to the shares.

    Each image is a point in the plane, normal around its class's centre.
    """
    rng = np.random.default_rng(seed)
    centres = np.array([[0.0, 0.0], [1.5, 0.0], [0.0, 1.5]])
    labels = rng.choice(3, images, p=prior)
    points = centres[labels] + rng.normal(size=(images, 2))
    return -((points[:, None] - centres) ** 2).sum(axis=2) / 2, labels


def log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-log_softmax(logits, axis=1)[range(len(labels)), labels].mean())


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5, 6.0])
def test_a_known_temperature_is_found(temperature: float) -> None:
    logits, labels = sample(seed=0)
    found = fit_calibration(temperature * logits, labels, UNIFORM)
    assert found.temperature == pytest.approx(temperature, rel=0.07)


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_the_temperature_minimises_the_log_loss(scale: float) -> None:
    logits, labels = sample(seed=1, prior=SKEWED)
    found = fit_calibration(scale * logits, labels, SKEWED)
    shifted = scale * logits + found.prior_strength * np.log(SKEWED)
    best = log_loss(shifted / found.temperature, labels)
    for factor in (0.5, 0.9, 1.1, 2.0):
        assert log_loss(shifted / (factor * found.temperature), labels) > best


def test_a_uniform_prior_is_not_added() -> None:
    logits, labels = sample(seed=2)
    assert fit_calibration(logits, labels, UNIFORM).prior_strength == 0


@pytest.mark.parametrize("seed", range(4))
def test_the_strength_scores_best(seed: int) -> None:
    logits, labels = sample(seed, prior=SKEWED, images=600)

    def score(strength: float) -> float:
        answers = softmax(logits + strength * np.log(SKEWED), axis=1)
        top = balanced_accuracy_score(labels, answers.argmax(axis=1))
        return -float((1 - top) * (1 - roc_auc_score(np.eye(3)[labels], answers, average="macro")))

    found = fit_calibration(logits, labels, SKEWED)
    assert found.prior_strength in STRENGTHS
    assert score(found.prior_strength) == pytest.approx(max(map(score, STRENGTHS)), abs=1e-9)


def test_a_prior_that_ranks_images_better_is_added() -> None:
    """Images of the common class look like nothing: without the prior, answers are a toss."""
    labels = np.repeat([0, 0, 0, 1, 2], 20)
    hints = np.random.default_rng(0).normal(0, 0.01, (100, 3))
    favoured = np.eye(3)[labels] * np.where(labels == 0, 0.0, 2.0)[:, None]
    found = fit_calibration(favoured + hints, labels, np.array([0.6, 0.2, 0.2]))
    assert found.prior_strength > 0


AS_TRAINED = EqualPrior(1.0, (0.0, 0.0, 0.0))
MARGIN_LOSS = EqualPrior(30.0, tuple(np.log(SKEWED).tolist()))


def dense(rng: np.random.Generator) -> keras.layers.Dense:
    layer = keras.layers.Dense(3)
    layer.build((None, 8))
    layer.bias.assign(rng.normal(size=3))
    return layer


@pytest.mark.parametrize("equal_prior", [AS_TRAINED, MARGIN_LOSS])
@pytest.mark.parametrize(
    "calibration", [Calibration(0.0, 1.0, tuple(SKEWED)), Calibration(0.35, 1.7, tuple(SKEWED))]
)
def test_fold_equals_the_formula(calibration: Calibration, equal_prior: EqualPrior) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(5, 8)).astype(np.float32)
    layer = dense(rng)
    before = np.asarray(layer(x))
    fold(layer, equal_prior, calibration)
    balanced = equal_prior.scale * before - np.array(equal_prior.log_prior)
    np.testing.assert_allclose(equal_prior(before), balanced, rtol=1e-5)
    expected = (balanced + calibration.prior_strength * np.log(SKEWED)) / calibration.temperature
    np.testing.assert_allclose(np.asarray(layer(x)), expected, rtol=1e-4, atol=1e-4)
    if (calibration.prior_strength, equal_prior) == (0.0, AS_TRAINED):
        np.testing.assert_array_equal(np.asarray(layer(x)), before)


def test_unfold_gives_equal_priors_back() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(5, 8)).astype(np.float32)
    layer, calibration = dense(rng), Calibration(0.6, 2.5, tuple(SKEWED))
    balanced = MARGIN_LOSS(np.asarray(layer(x)))
    fold(layer, MARGIN_LOSS, calibration)
    np.testing.assert_allclose(calibration.equal_prior(np.asarray(layer(x))), balanced, atol=1e-4)
    unfold(layer, calibration)
    np.testing.assert_allclose(np.asarray(layer(x)), balanced, rtol=1e-4, atol=1e-4)


def test_folding_what_was_fitted_calibrates_the_answers() -> None:
    logits, labels = sample(seed=4, prior=SKEWED)
    logits = 3 * logits
    layer = keras.layers.Dense(3, kernel_initializer="identity")
    layer.build((None, 3))
    fold(layer, AS_TRAINED, fit_calibration(logits, labels, SKEWED))
    folded = np.asarray(layer(logits.astype(np.float32)), np.float64)
    assert log_loss(folded, labels) < log_loss(logits, labels) - 0.1
