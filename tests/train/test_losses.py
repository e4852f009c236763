"""The losses against their papers' equations, written out in numpy."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.special import log_softmax

from skinedge.errors import UsageError
from skinedge.train.losses import LOSSES, build_loss, equal_prior
from skinedge.train.losses.class_weights import CLASS_WEIGHTS
from skinedge.train.losses.cross_entropy import CrossEntropy
from skinedge.train.losses.focal import Focal
from skinedge.train.losses.large_margin_focal import LargeMarginFocal
from skinedge.train.losses.logit_adjusted import LogitAdjusted
from skinedge.train.losses.margin import Margin
from skinedge.train.recipes import Loss

PRIOR = [0.7, 0.2, 0.1]
COUNTS = [700, 200, 100]
WEIGHTS = [0.5, 1.5, 4.0]
LOGITS = np.random.default_rng(0).normal(0, 3, (12, 3)).astype(np.float32)
LABELS = np.arange(12) % 3
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]
SOFT = np.random.default_rng(1).dirichlet((0.5, 0.5, 0.5), 12).astype(np.float32)
EVERY = [
    CrossEntropy(WEIGHTS, 0.1),
    LogitAdjusted(PRIOR, 0.1),
    Focal(1.5, WEIGHTS, 0.1),
    Margin(COUNTS, 0.4, 8.0, WEIGHTS, 0.1),
    LargeMarginFocal(COUNTS, 0.4, 8.0, 1.5, 0.7, 1.3, WEIGHTS, 0.1),
]
every = pytest.mark.parametrize("loss", EVERY, ids=lambda loss: loss.name)


def value(
    loss: keras.losses.Loss, one_hot: np.ndarray = ONE_HOT, logits: np.ndarray = LOGITS
) -> float:
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


@every
def test_a_compiled_model_round_trips(loss: keras.losses.Loss, tmp_path: Path) -> None:
    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Dense(3)(x))
    model.compile("sgd", loss=loss)
    expected = model.evaluate(LOGITS, SOFT, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.evaluate(LOGITS, SOFT, verbose=0) == pytest.approx(expected)
    assert again.loss.get_config() == loss.get_config()
    assert type(again.loss) is type(loss)


def expected_focal(labels: np.ndarray, gamma: float) -> np.ndarray:
    """Lin et al. 2017, equation 5, each class's term weighted by its share of the label."""
    log_p = log_softmax(LOGITS.astype(np.float64), axis=1)
    return -(labels * np.array(WEIGHTS) * (1 - np.exp(log_p)) ** gamma * log_p).sum(axis=1)


def expected_ldam(labels: np.ndarray, max_margin: float, scale: float) -> np.ndarray:
    """Cao et al. 2019, equations 10 to 13, each class's margin in proportion to its share."""
    margins = max_margin * (100 / np.array(COUNTS)) ** 0.25
    log_p = log_softmax(scale * (LOGITS.astype(np.float64) - labels * margins), axis=1)
    return -(labels * np.array(WEIGHTS) * log_p).sum(axis=1)


@pytest.mark.parametrize("labels", [ONE_HOT, SOFT], ids=["one-hot", "soft"])
def test_equations(labels: np.ndarray) -> None:
    log_p = log_softmax(LOGITS.astype(np.float64), axis=1)
    plain = -(labels * np.array(WEIGHTS) * log_p).sum(axis=1)
    focal = expected_focal(labels, 1.5)
    ldam = expected_ldam(labels, 0.4, 8.0)
    for loss, expected in (
        (CrossEntropy(WEIGHTS), plain),
        (Focal(1.5, WEIGHTS), focal),
        (Margin(COUNTS, 0.4, 8.0, WEIGHTS), ldam),
        (LargeMarginFocal(COUNTS, 0.4, 8.0, 1.5, 0.7, 1.3, WEIGHTS), 0.7 * ldam + 1.3 * focal),
    ):
        np.testing.assert_allclose(loss.call(labels, LOGITS), expected, rtol=2e-4, atol=1e-6)
        assert value(loss, labels) == pytest.approx(expected.mean(), rel=1e-5)


def test_values_by_hand() -> None:
    """Two classes, p = 3/4 for the right one: -log p = 0.2876821, (1 - p) ** 2 = 1/16."""
    label, logits = np.float32([[1, 0]]), np.log(np.float32([[3, 1]]))
    assert value(CrossEntropy(), label, logits) == pytest.approx(0.2876821, rel=1e-5)
    assert value(CrossEntropy([3, 9]), label, logits) == pytest.approx(0.8630462, rel=1e-5)
    assert value(CrossEntropy(label_smoothing=0.2), label, logits) == pytest.approx(
        0.9 * 0.2876821 + 0.1 * 1.3862944, rel=1e-5
    )
    assert value(Focal(2), label, logits) == pytest.approx(0.2876821 / 16, rel=1e-5)
    # 16 and 1 images: margins 1/4 and 1/2. 2 * (log 3 - 1/4) = 1.6972246 ahead.
    margin = np.log1p(np.exp(-1.6972246))
    assert value(Margin([16, 1], 0.5, 2), label, logits) == pytest.approx(margin, rel=1e-5)
    both = LargeMarginFocal([16, 1], 0.5, 2, 2, 10, 100)
    assert value(both, label, logits) == pytest.approx(10 * margin + 1.7980131, rel=1e-5)


def test_what_they_have_in_common() -> None:
    for labels in (ONE_HOT, SOFT):
        plain = CrossEntropy(WEIGHTS, 0.1).call(labels, LOGITS)
        for same in (
            Focal(0, WEIGHTS, 0.1),
            Margin(COUNTS, 0, 1, WEIGHTS, 0.1),
            LargeMarginFocal(COUNTS, 0, 1, 0, 0.25, 0.75, WEIGHTS, 0.1),
        ):
            np.testing.assert_allclose(same.call(labels, LOGITS), plain, rtol=1e-5)
        np.testing.assert_allclose(
            CrossEntropy(label_smoothing=0.1).call(labels, LOGITS),
            LogitAdjusted([1 / 3] * 3, 0.1).call(labels, LOGITS),
            rtol=1e-4,
            atol=1e-6,
        )


@pytest.mark.parametrize("labels", [ONE_HOT, SOFT], ids=["one-hot", "soft"])
def test_focal_is_the_one_of_keras_where_that_does_not_clip(labels: np.ndarray) -> None:
    keras_focal = keras.losses.CategoricalFocalCrossentropy(WEIGHTS, 2.0, from_logits=True)
    ours = value(Focal(2.0, WEIGHTS), labels)
    assert ours == pytest.approx(value(keras_focal, labels), rel=1e-4)


def test_margins_are_the_larger_the_rarer_the_class() -> None:
    assert Margin([10000, 16, 1]).margins == pytest.approx([0.05, 0.25, 0.5])
    assert Margin([0, 16]).margins == pytest.approx([0.5, 0.5])
    assert Margin([81, 16], 1.0).margins == pytest.approx([2 / 3, 1.0])


def slope(loss: keras.losses.Loss, labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Gradient of the loss of each image, from the backend that trains."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        values = tf.Variable(logits)
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(loss.call(labels, values))
        return tape.gradient(total, values).numpy()
    if backend == "jax":
        import jax

        return np.array(jax.grad(lambda values: loss.call(labels, values).sum())(logits))
    import torch

    values = torch.tensor(logits, requires_grad=True)
    loss.call(torch.tensor(labels), values).sum().backward()
    return values.grad.numpy()


@every
@pytest.mark.parametrize("labels", [ONE_HOT, SOFT], ids=["one-hot", "soft"])
def test_the_gradient_is_the_slope(loss: keras.losses.Loss, labels: np.ndarray) -> None:
    """Also with class weights, for which TensorFlow's fused cross-entropy gives another one."""
    logits = LOGITS / 3
    gradient = slope(loss, labels, logits)
    step = np.float32(0.02)
    for column in range(3):
        nudge = np.eye(3, dtype=np.float32)[column] * step
        up, down = (
            np.array(loss.call(labels, np.float32(logits + sign * nudge))) for sign in (1, -1)
        )
        np.testing.assert_allclose(gradient[:, column], (up - down) / (2 * step), atol=0.02)


@every
def test_the_gradient_pulls_towards_the_label(loss: keras.losses.Loss) -> None:
    gradient = slope(loss, ONE_HOT, np.zeros((12, 3), np.float32))
    assert (gradient[ONE_HOT == 1] < 0).all()
    assert (gradient[ONE_HOT == 0] > 0).all()


@every
@pytest.mark.parametrize("size", [20.0, 1e4])
@pytest.mark.parametrize("labels", [ONE_HOT, SOFT], ids=["one-hot", "soft"])
def test_extreme_logits_stay_finite(
    loss: keras.losses.Loss, size: float, labels: np.ndarray
) -> None:
    for right in (1, -1):
        logits = np.float32(right * size * (2 * ONE_HOT - 1))
        assert np.isfinite(loss.call(labels, logits)).all()
        assert np.isfinite(slope(loss, labels, logits)).all()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_pulls_on_the_most_wrong_and_lets_go_of_the_right(gamma: float) -> None:
    """Clipped probabilities would let go of both."""
    logits = np.float32(40 * (2 * ONE_HOT - 1))
    hopeless = slope(Focal(gamma), ONE_HOT, -logits)
    np.testing.assert_allclose(hopeless[ONE_HOT == 1], -1, rtol=1e-4)
    np.testing.assert_allclose(slope(Focal(gamma), ONE_HOT, logits), 0, atol=1e-6)


def test_focal_counts_easy_images_less() -> None:
    label, logits = np.float32([[1, 0]] * 2), np.float32([[3, 0], [-3, 0]])
    easy, hard = np.array(Focal(2).call(label, logits) / CrossEntropy().call(label, logits))
    assert easy < 0.01
    assert hard > 0.9


@every
def test_every_configuration_round_trips(loss: keras.losses.Loss) -> None:
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert value(again, SOFT) == value(loss, SOFT)


@pytest.mark.parametrize("name", LOSSES)
def test_built_from_plain_data(name: str) -> None:
    plain = Loss(
        name,
        label_smoothing=0.1,
        gamma=1.5,
        max_margin=0.4,
        scale=8.0,
        margin_weight=0.7,
        focal_weight=1.3,
    )
    assert Loss(**asdict(plain)) == plain
    by_hand = dict(
        zip(
            LOSSES,
            (
                CrossEntropy(None, 0.1),
                LogitAdjusted(PRIOR, 0.1),
                Focal(1.5, None, 0.1),
                Margin(COUNTS, 0.4, 8.0, None, 0.1),
                LargeMarginFocal(COUNTS, 0.4, 8.0, 1.5, 0.7, 1.3, None, 0.1),
            ),
            strict=True,
        )
    )[name]
    built = build_loss(plain, PRIOR, COUNTS)
    assert type(built) is type(by_hand)
    assert built.get_config() == by_hand.get_config()


def test_the_default_is_what_the_edge_model_was_trained_with() -> None:
    built = build_loss(Loss(label_smoothing=0.1), PRIOR, COUNTS)
    assert isinstance(built, LogitAdjusted)
    assert built.get_config() == LogitAdjusted(PRIOR, 0.1).get_config()


def test_class_weights() -> None:
    inverse = build_loss(Loss("cross-entropy", class_weights="inverse-frequency"), PRIOR, COUNTS)
    np.testing.assert_allclose(inverse.weights, [1 / 2.1, 1 / 0.6, 1 / 0.3])
    assert np.dot(PRIOR, inverse.weights) == pytest.approx(1)
    effective = build_loss(Loss("ldam", class_weights="effective-number"), PRIOR, COUNTS)
    raw = np.array([0.0001 / (1 - 0.9999**n) for n in COUNTS])
    np.testing.assert_allclose(effective.weights, 3 * raw / raw.sum(), rtol=1e-9)
    assert build_loss(Loss("focal"), PRIOR, COUNTS).weights is None


def test_inverse_frequency_leaves_the_logits_free_of_the_prior() -> None:
    """With nothing to see, the best logits are equal though the labels follow the prior."""
    labels = np.eye(3, dtype=np.float32)[np.repeat(range(3), [7, 2, 1])]
    loss = build_loss(Loss("cross-entropy", class_weights="inverse-frequency"), PRIOR, COUNTS)
    total = slope(loss, labels, np.zeros((10, 3), np.float32)).sum(axis=0)
    np.testing.assert_allclose(total, 0, atol=1e-5)


def test_names_that_are_not_there() -> None:
    with pytest.raises(UsageError, match=f"'hinge'.*{', '.join(LOSSES)}"):
        build_loss(Loss("hinge"), PRIOR, COUNTS)
    with pytest.raises(UsageError, match=f"'fair'.*{', '.join(CLASS_WEIGHTS)}"):
        build_loss(Loss("focal", class_weights="fair"), PRIOR, COUNTS)
    with pytest.raises(UsageError, match="corrects the class prior itself"):
        build_loss(Loss(class_weights="inverse-frequency"), PRIOR, COUNTS)


WITH_ABSENT = [400, 0, 25]


@pytest.mark.parametrize("name", ["ldam", "lmf"])
def test_a_class_without_images_does_not_set_the_margins(name: str) -> None:
    with_absent = build_loss(Loss(name), [0.7, 0.1, 0.2], WITH_ABSENT)
    without = build_loss(Loss(name), [0.7, 0.3], [400, 25])
    assert [with_absent.margins[0], with_absent.margins[2]] == pytest.approx(without.margins)
    assert max(with_absent.margins) == pytest.approx(0.5)


def test_a_class_without_images_has_no_effective_number() -> None:
    loss = build_loss(
        Loss("cross-entropy", class_weights="effective-number"), [1 / 3] * 3, WITH_ABSENT
    )
    assert loss.weights[1] == 1
    assert (loss.weights[0] + loss.weights[2]) / 2 == pytest.approx(1)


def test_a_class_that_was_never_drawn_is_not_made_likely() -> None:
    prior = [0.79, 0.01, 0.2]
    reading = equal_prior(Loss("cross-entropy"), prior, WITH_ABSENT)
    logits = np.log(np.array([prior]))
    assert reading(logits)[0].argmax() != 1
    assert reading(logits)[0, 0] == pytest.approx(reading(logits)[0, 2])


def test_logits_of_a_balanced_loss_are_read_as_they_are() -> None:
    counts = [400, 100, 25]
    for loss in (Loss("logit-adjusted"), Loss("focal", class_weights="inverse-frequency")):
        shift = equal_prior(loss, [0.7, 0.2, 0.1], counts)(np.zeros((1, 3)))
        np.testing.assert_allclose(shift, shift[0, 0], atol=1e-12)
    assert equal_prior(Loss("ldam"), [0.7, 0.2, 0.1], counts).scale == 30
