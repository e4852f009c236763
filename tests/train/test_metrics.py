"""Metrics against hand-computed numbers and scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from skinedge.lesion import CODES
from skinedge.train.metrics import (
    auroc,
    average_precision,
    balanced_accuracy,
    binary_report,
    brier_score,
    classification_report,
    expected_calibration_error,
    fitted_temperature,
    macro_auroc,
    macro_f1,
    sensitivity_at_specificity,
    specificity_at_sensitivity,
    threshold_at_sensitivity,
    weighted_precision,
)

# Six images of three classes; the top labels are 0 1 1 2 0 2.
LABELS = np.array([0, 0, 1, 1, 2, 2])
PROBABILITIES = np.array(
    [
        [0.7, 0.2, 0.1],
        [0.3, 0.6, 0.1],
        [0.1, 0.8, 0.1],
        [0.2, 0.3, 0.5],
        [0.5, 0.1, 0.4],
        [0.0, 0.1, 0.9],
    ]
)


def made_up(seed: int, classes: int, images: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Every class occurs, and the answers are better than chance."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.r_[np.arange(classes), rng.integers(0, classes, images - classes)])
    logits = rng.normal(size=(images, classes)) + 1.5 * np.eye(classes)[labels]
    exponentials = np.exp(logits)
    return labels, exponentials / exponentials.sum(axis=1, keepdims=True)


def test_hand_computed() -> None:
    assert balanced_accuracy(LABELS, PROBABILITIES) == pytest.approx((1 / 2 + 1 / 2 + 1 / 2) / 3)
    # Pairs won of 2 x 4: class 0 loses 0.3 < 0.5; class 1 loses 0.3 < 0.6; class 2 0.4 < 0.5.
    assert auroc(LABELS == 0, PROBABILITIES[:, 0]) == pytest.approx(7 / 8)
    assert auroc(LABELS == 1, PROBABILITIES[:, 1]) == pytest.approx(7 / 8)
    assert auroc(LABELS == 2, PROBABILITIES[:, 2]) == pytest.approx(7 / 8)
    assert macro_auroc(LABELS, PROBABILITIES) == pytest.approx(7 / 8)
    # Top labels 0 1 1 2 0 2: each class is named twice, once rightly.
    assert macro_f1(LABELS, PROBABILITIES) == pytest.approx(1 / 2)
    assert weighted_precision(LABELS, PROBABILITIES) == pytest.approx(1 / 2)
    squares = [0.14, 0.49 + 0.36 + 0.01, 0.06, 0.04 + 0.49 + 0.25, 0.25 + 0.01 + 0.36, 0.02]
    assert brier_score(LABELS, PROBABILITIES) == pytest.approx(np.mean(squares))


def test_brier_score_runs_from_0_to_2() -> None:
    certain = np.eye(2)[[0, 1, 1]]
    assert brier_score(np.array([0, 1, 1]), certain) == 0
    assert brier_score(np.array([1, 0, 0]), certain) == 2


def test_a_class_that_is_never_named_has_precision_and_f1_of_0() -> None:
    labels, probabilities = np.array([0, 0, 0, 1]), np.tile([0.9, 0.1], (4, 1))
    assert weighted_precision(labels, probabilities) == pytest.approx(3 / 4 * 3 / 4)
    assert macro_f1(labels, probabilities) == pytest.approx((6 / 7 + 0) / 2)


def test_average_precision_of_ties_and_of_nothing() -> None:
    tied = average_precision(np.array([True, False, False, True]), np.array([0.5, 0.5, 0.1, 0.9]))
    assert tied == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)
    assert np.isnan(average_precision(np.zeros(3, bool), np.arange(3.0)))


def test_operating_points_hand_computed() -> None:
    positive = np.array([True, False, True, False, True, False, False, False])
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
    # Above 0.8: 1 of 3 found. Down to 0.7: 2 of 3, with 1 of 5 false.
    assert sensitivity_at_specificity(positive, scores) == pytest.approx(1 / 3)
    assert sensitivity_at_specificity(positive, scores, 0.8) == pytest.approx(2 / 3)
    assert sensitivity_at_specificity(positive, scores, 0.79) == pytest.approx(2 / 3)
    assert sensitivity_at_specificity(positive, scores, 0.6) == pytest.approx(1)
    # All three are found down to 0.5, with 2 of 5 false.
    assert specificity_at_sensitivity(positive, scores) == pytest.approx(3 / 5)
    assert specificity_at_sensitivity(positive, scores, 0.6) == pytest.approx(4 / 5)


def test_the_best_score_being_wrong_leaves_no_sensitivity() -> None:
    positive, scores = np.array([False, True]), np.array([0.9, 0.1])
    assert sensitivity_at_specificity(positive, scores) == 0
    assert specificity_at_sensitivity(positive, scores) == 0


@pytest.mark.parametrize("answer", [True, False])
def test_operating_points_of_one_answer_are_undefined(answer: bool) -> None:
    figures = binary_report(np.full(5, answer), np.linspace(0, 1, 5))
    assert figures["images"] == 5 * answer
    for name in ("auroc", "sensitivity_at_specificity", "specificity_at_sensitivity"):
        assert np.isnan(figures[name])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_fitted_temperature_finds_what_was_done_to_the_logits(temperature: float) -> None:
    """Labels drawn from the probabilities themselves are calibrated."""
    rng = np.random.default_rng(4)
    true = rng.dirichlet(np.ones(3), 4000)
    labels = (true.cumsum(axis=1) < rng.random((4000, 1))).sum(axis=1)
    sharpened = true**temperature
    sharpened /= sharpened.sum(axis=1, keepdims=True)
    assert fitted_temperature(labels, sharpened) == pytest.approx(temperature, rel=0.08)


def test_a_tied_pair_counts_half() -> None:
    assert auroc(np.array([True, False, False]), np.array([0.5, 0.5, 0.1])) == pytest.approx(3 / 4)


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_scikit_learn(seed: int, classes: int) -> None:
    labels, probabilities = made_up(seed, classes)
    top = probabilities.argmax(axis=1)
    assert balanced_accuracy(labels, probabilities) == pytest.approx(
        balanced_accuracy_score(labels, top)
    )
    assert macro_f1(labels, probabilities) == pytest.approx(f1_score(labels, top, average="macro"))
    assert weighted_precision(labels, probabilities) == pytest.approx(
        precision_score(labels, top, average="weighted")
    )
    one_hot = np.eye(classes)[labels]
    expected = roc_auc_score(one_hot, probabilities, average="macro")
    assert macro_auroc(labels, probabilities) == pytest.approx(expected)


@pytest.mark.parametrize("answer", [True, False])
def test_auroc_of_one_answer_is_undefined(answer: bool) -> None:
    assert np.isnan(auroc(np.full(5, answer), np.linspace(0, 1, 5)))


def test_absent_classes_are_left_out_and_named_nan() -> None:
    probabilities = np.column_stack([PROBABILITIES, np.full(6, 0.05)])
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert balanced_accuracy(LABELS, probabilities) == pytest.approx(1 / 2)
    present = [auroc(c == LABELS, probabilities[:, c]) for c in range(3)]
    assert macro_auroc(LABELS, probabilities) == pytest.approx(np.mean(present))
    report = classification_report(LABELS, probabilities, ("a", "b", "c", "absent"))
    absent = report["per_class"]["absent"]
    assert absent["images"] == 0
    assert np.isnan([absent["sensitivity"], absent["f1"], absent["auroc"]]).all()
    assert absent["specificity"] == 1
    assert report["balanced_accuracy"] == pytest.approx(1 / 2)


def test_report_hand_computed() -> None:
    report = classification_report(LABELS, PROBABILITIES, ("bkl", "mel", "nv"))
    assert report["images"] == 6
    assert report["accuracy"] == pytest.approx(3 / 6)
    assert report["confusion_matrix"] == [[1, 1, 0], [0, 1, 1], [1, 0, 1]]
    assert report["melanoma_auroc"] == pytest.approx(7 / 8)
    assert report["per_class"]["mel"] == {
        "images": 2,
        "sensitivity": pytest.approx(1 / 2),
        "specificity": pytest.approx(3 / 4),
        "f1": pytest.approx(1 / 2),
        "auroc": pytest.approx(7 / 8),
        # Ranked 0.8, 0.6 (nv), 0.3: found at precision 1 and 2/3.
        "average_precision": pytest.approx((1 + 2 / 3) / 2),
    }


def test_report_without_melanoma() -> None:
    report = classification_report(LABELS, PROBABILITIES, ("a", "b", "c"))
    assert np.isnan(report["melanoma_auroc"])
    assert np.isnan(report["melanoma_average_precision"])


def test_report_of_two_classes() -> None:
    labels, probabilities = made_up(2, 2)
    report = classification_report(labels, probabilities, ("benign", "malignant"))
    assert np.isnan(report["melanoma_auroc"])
    both = [report["per_class"][code]["auroc"] for code in ("benign", "malignant")]
    assert both == pytest.approx([report["macro_auroc"]] * 2)
    assert np.shape(report["confusion_matrix"]) == (2, 2)


def test_report_equals_scikit_learn() -> None:
    labels, probabilities = made_up(5, 7)
    top = probabilities.argmax(axis=1)
    report = classification_report(labels, probabilities, CODES)
    for index, code in enumerate(CODES):
        figures = report["per_class"][code]
        positive, called = labels == index, top == index
        assert figures["sensitivity"] == pytest.approx(recall_score(positive, called))
        assert figures["specificity"] == pytest.approx(recall_score(~positive, ~called))
        assert figures["f1"] == pytest.approx(f1_score(positive, called))
        assert figures["auroc"] == pytest.approx(roc_auc_score(positive, probabilities[:, index]))
        assert figures["average_precision"] == pytest.approx(
            average_precision_score(positive, probabilities[:, index])
        )
    assert sum(map(sum, report["confusion_matrix"])) == len(labels)
    assert report["expected_calibration_error"] == pytest.approx(
        expected_calibration_error(labels, probabilities)
    )


def test_perfect_calibration_has_no_error() -> None:
    """Of ten answers given at 0.8, eight are right; of five at 0.6, three are."""
    labels = np.array([0] * 8 + [1] * 2 + [0] * 3 + [1] * 2)
    confidence = np.array([0.8] * 10 + [0.6] * 5)
    probabilities = np.column_stack([confidence, 1 - confidence])
    assert expected_calibration_error(labels, probabilities) == pytest.approx(0, abs=1e-12)


def test_calibration_error_hand_computed() -> None:
    labels = np.array([0] * 5 + [1] * 5 + [0] * 10)
    confidence = np.array([0.9] * 10 + [0.6] * 10)
    probabilities = np.column_stack([confidence, 1 - confidence])
    # Half of the images: 0.9 sure, 0.5 right. The other half: 0.6 sure, always right.
    expected = 0.5 * 0.4 + 0.5 * 0.4
    assert expected_calibration_error(labels, probabilities) == pytest.approx(expected)
    # In one bin, over- and underconfidence cancel.
    assert expected_calibration_error(labels, probabilities, bins=1) == pytest.approx(0)


@pytest.mark.parametrize(("hits", "expected"), [([0, 0], 0.0), ([0, 1], 0.5), ([1, 1], 1.0)])
def test_certainty_falls_into_the_last_bin(hits: list[int], expected: float) -> None:
    probabilities = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert expected_calibration_error(np.array(hits), probabilities) == expected


def rates(positive: np.ndarray, scores: np.ndarray, threshold: float) -> tuple[float, float]:
    called = scores >= threshold
    return float(called[positive].mean()), float((~called[~positive]).mean())


@pytest.mark.parametrize("sensitivity", [0.5, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("steps", [4, 20, 256, None], ids=lambda n: f"{n} steps")
@pytest.mark.parametrize("seed", range(3))
def test_threshold_is_the_highest_that_reaches_the_target(
    seed: int, steps: int | None, sensitivity: float
) -> None:
    """Also where int8 leaves few distinct scores, and many ties."""
    rng = np.random.default_rng(seed)
    positive = rng.random(300) < 0.2
    scores = np.clip(rng.normal(0.3 + 0.3 * positive, 0.2), 0, 1)
    if steps:
        scores = np.round(scores * steps) / steps
    rule = threshold_at_sensitivity(positive, scores, sensitivity)
    reached, specificity = rates(positive, scores, rule["threshold"])
    assert reached >= sensitivity
    assert (rule["sensitivity"], rule["specificity"]) == pytest.approx((reached, specificity))
    higher = [score for score in np.unique(scores) if score > rule["threshold"]]
    assert higher
    assert all(rates(positive, scores, score)[0] < sensitivity for score in higher)


def test_threshold_hand_computed() -> None:
    positive = np.array([True, True, False, True, False, False])
    scores = np.array([0.9, 0.6, 0.6, 0.4, 0.4, 0.1])
    two_thirds = threshold_at_sensitivity(positive, scores, 0.6)
    assert two_thirds == pytest.approx(
        {"threshold": 0.6, "sensitivity": 2 / 3, "specificity": 2 / 3}
    )
    everything = threshold_at_sensitivity(positive, scores, 0.95)
    assert everything == pytest.approx({"threshold": 0.4, "sensitivity": 1, "specificity": 1 / 3})


def test_nineteen_of_twenty_are_95_percent() -> None:
    positive = np.array([True] * 20 + [False])
    scores = np.linspace(1, 0, 21)
    rule = threshold_at_sensitivity(positive, scores)
    assert rule["sensitivity"] == 0.95
    assert rule["threshold"] == pytest.approx(scores[18])


@pytest.mark.parametrize("answer", [True, False])
def test_threshold_of_one_answer_is_undefined(answer: bool) -> None:
    with pytest.warns(UndefinedMetricWarning):
        rule = threshold_at_sensitivity(np.full(5, answer), np.linspace(0, 1, 5))
    assert np.isnan(rule["specificity" if answer else "sensitivity"])
