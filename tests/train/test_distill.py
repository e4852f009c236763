"""Distillation: the loss by hand, teachers in the graph, and what the student learns."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from skinedge.errors import UsageError
from skinedge.train.calibrate import EqualPrior
from skinedge.train.distill import Distilled, MapTransfer, with_teachers
from skinedge.train.losses.cross_entropy import CrossEntropy

CLASSES = 3
NO_PRIOR = EqualPrior(1.0, (0.0,) * CLASSES)


def test_distilled_equals_hinton_by_hand() -> None:
    rng = np.random.default_rng(0)
    student, teacher = rng.normal(size=(2, 5, CLASSES))
    labels = np.eye(CLASSES)[[0, 1, 2, 1, 0]]
    shift = EqualPrior(2.0, (-1.0, -0.5, -2.0))
    loss = Distilled(CrossEntropy(), 0.3, 4.0, shift)
    got = loss.call(
        keras.ops.convert_to_tensor(labels, "float32"),
        keras.ops.convert_to_tensor(np.hstack([student, teacher]), "float32"),
    )
    hard = -log_softmax(student, axis=1)[labels.astype(bool)]
    soft = softmax(teacher / 4, axis=1)
    balanced = 2.0 * student - np.array(shift.log_prior)
    divergence = (soft * (np.log(soft) - log_softmax(balanced / 4, axis=1))).sum(axis=1)
    expected = 0.7 * hard + 0.3 * 16 * divergence
    np.testing.assert_allclose(np.asarray(got), expected, rtol=1e-4)


def test_a_student_that_agrees_has_nothing_to_learn_from_the_teacher() -> None:
    logits = np.random.default_rng(1).normal(size=(4, CLASSES)).astype(np.float32)
    loss = Distilled(CrossEntropy(), 1.0, 2.0, NO_PRIOR)
    got = loss.call(np.eye(CLASSES, dtype=np.float32)[[0, 1, 2, 0]], np.hstack([logits, logits]))
    np.testing.assert_allclose(np.asarray(got), 0, atol=1e-6)


def test_map_transfer_ignores_loudness_and_sees_direction() -> None:
    a = np.array([[1.0, 2.0, 0.0, 2.0]], np.float32)
    apart = np.array([[0.0, 0.0, 5.0, 0.0]], np.float32)
    loss = MapTransfer()
    np.testing.assert_allclose(np.asarray(loss.call(None, np.hstack([a, 7 * a]))), 0, atol=1e-6)
    np.testing.assert_allclose(np.asarray(loss.call(None, np.hstack([a, apart]))), 2, rtol=1e-5)


def test_distilled_round_trips() -> None:
    loss = Distilled(CrossEntropy(label_smoothing=0.1), 0.3, 4.0, NO_PRIOR)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert again.get_config() == loss.get_config()


def network(
    size: int,
    classes: int = CLASSES,
    side: int | None = 4,
    seed: int = 0,
    dropout: float = 0.0,
) -> keras.Model:
    """All of one name, as runs of one recipe are."""
    keras.utils.set_random_seed(seed)
    pixels = keras.Input((size, size, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(pixels)
    x = keras.layers.BatchNormalization()(x)
    pooled = keras.layers.Dropout(dropout)(keras.layers.GlobalAveragePooling2D()(x))
    logits = keras.layers.Dense(classes)(pooled)
    if side is None:
        return keras.Model(pixels, [logits], name="same")
    attention = keras.layers.AveragePooling2D(size // side)(x[..., :1])
    return keras.Model(pixels, [logits, keras.layers.Flatten()(attention)], name="same")


def test_teachers_of_any_size_answer_beside_the_student() -> None:
    student, small, large = network(16), network(16, seed=1), network(32, side=8, seed=2)
    trained = with_teachers(student, [small, large], maps=True)
    pixels = np.random.default_rng(2).normal(size=(2, 16, 16, 3)).astype(np.float32)
    outputs = {name: np.asarray(value) for name, value in trained(pixels).items()}
    own = [np.asarray(value) for value in student(pixels)]
    np.testing.assert_allclose(outputs["answers"][:, :CLASSES], own[0], rtol=1e-5)
    np.testing.assert_allclose(outputs["maps"][:, :16], own[1], rtol=1e-5)
    enlarged = keras.layers.Resizing(32, 32)(pixels)
    answers = [
        softmax(np.asarray(t(p)[0]), axis=1) for t, p in ((small, pixels), (large, enlarged))
    ]
    expected = np.log(np.mean(answers, axis=0))
    np.testing.assert_allclose(outputs["answers"][:, CLASSES:], expected, rtol=1e-4, atol=1e-5)


def test_only_the_student_trains() -> None:
    student, teacher = network(16), network(16, seed=1)
    before = [weight.copy() for weight in teacher.get_weights()]
    trained = with_teachers(student, [teacher], maps=True)
    assert len(trained.trainable_variables) == len(student.trainable_variables)
    losses = {"answers": Distilled(CrossEntropy(), 1.0, 1.0, NO_PRIOR), "maps": MapTransfer()}
    trained.compile(keras.optimizers.Adam(1e-2), loss=losses)
    rng = np.random.default_rng(3)
    pixels = rng.normal(size=(64, 16, 16, 3)).astype(np.float32)
    labels = np.eye(CLASSES, dtype=np.float32)[rng.integers(CLASSES, size=64)]
    targets = {"answers": labels, "maps": labels}

    def apart() -> float:
        ours, theirs = (
            log_softmax(np.asarray(model.predict(pixels, verbose=0)[0]), axis=1)
            for model in (student, teacher)
        )
        return float((np.exp(theirs) * (theirs - ours)).sum(axis=1).mean())

    at_first = apart()
    trained.fit(pixels, targets, epochs=30, verbose=0)
    assert apart() < at_first / 4
    for ours, theirs in zip(teacher.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_no_two_weights_have_one_path() -> None:
    """With PyTorch, Keras would forget the first: its gradients would add up for ever."""
    trained = with_teachers(network(16), [network(16), network(16)], maps=True)
    assert len({weight.path for weight in trained.weights}) == len(trained.weights)


def test_teachers_answer_as_finished_while_the_student_trains() -> None:
    student, teacher = network(16, dropout=0.5), network(16, seed=1, dropout=0.5)
    trained = with_teachers(student, [teacher], maps=False)
    pixels = np.random.default_rng(4).normal(size=(4, 16, 16, 3)).astype(np.float32)
    first, second = (np.asarray(trained(pixels, training=True)["answers"]) for _ in range(2))
    finished = log_softmax(np.asarray(teacher(pixels)[0]), axis=1)
    np.testing.assert_allclose(first[:, CLASSES:], finished, rtol=1e-5)
    np.testing.assert_array_equal(first[:, CLASSES:], second[:, CLASSES:])
    assert np.abs(first - second)[:, :CLASSES].max() > 1e-3  # the student's dropout is at work


def test_maps_are_left_out_where_one_has_none() -> None:
    without = with_teachers(network(16), [network(16, side=None)], maps=True)
    assert set(without.output) == {"answers"}
    not_asked_for = with_teachers(network(16), [network(16)], maps=False)
    assert set(not_asked_for.output) == {"answers"}


def test_other_classes_are_refused() -> None:
    with pytest.raises(UsageError, match="teacher 1 answers for other classes"):
        with_teachers(network(16), [network(16, classes=CLASSES + 1)], maps=True)
