"""Classification metrics under their usual names, from scikit-learn's.

All take `labels` int `[n]` and `probabilities` float `[n, classes]` with rows summing to 1, or,
for one binary question, `positive` bool `[n]` and `scores` float `[n]`. A metric whose class is
absent from the labels is NaN, never a guess. Means over classes are over those that occur.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    f1_score,
    precision_score,
    roc_auc_score,
    roc_curve,
)

__all__ = [
    "auroc",
    "average_precision",
    "balanced_accuracy",
    "binary_report",
    "brier_score",
    "classification_report",
    "expected_calibration_error",
    "fitted_temperature",
    "macro_auroc",
    "macro_f1",
    "reliability",
    "sensitivity_at_specificity",
    "specificity_at_sensitivity",
    "threshold_at_sensitivity",
    "weighted_precision",
]

CALIBRATION_BINS = 15
OPERATING_POINT = 0.95


def _one_answer(positive: np.ndarray) -> bool:
    return bool(positive.all() or not positive.any())


def auroc(positive: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve of one binary question; NaN when only one answer occurs."""
    return float("nan") if _one_answer(positive) else float(roc_auc_score(positive, scores))


def average_precision(positive: np.ndarray, scores: np.ndarray) -> float:
    """Area under the precision-recall curve, as a step function; NaN without a positive.

    Chance is the share of positives, not 0.5.
    """
    return float(average_precision_score(positive, scores)) if positive.any() else float("nan")


def macro_auroc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean one-vs-rest AUROC over the classes that occur."""
    classes = range(probabilities.shape[1])
    areas = np.array([auroc(labels == c, probabilities[:, c]) for c in classes])
    return float(areas[~np.isnan(areas)].mean()) if not np.isnan(areas).all() else float("nan")


def balanced_accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean sensitivity over the classes that occur."""
    hits = probabilities.argmax(axis=1) == labels
    return float(np.mean([hits[labels == c].mean() for c in np.unique(labels)]))


def macro_f1(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean F1 over the classes that occur; a class that is never hit has 0."""
    top = probabilities.argmax(axis=1)
    present = np.unique(labels)
    return float(f1_score(labels, top, labels=present, average="macro", zero_division=0))


def weighted_precision(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Precision of each class weighted by its images; a class never named has 0."""
    top = probabilities.argmax(axis=1)
    return float(precision_score(labels, top, average="weighted", zero_division=0))


def brier_score(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean squared distance to the truth over all classes (Brier 1950), 0 (best) to 2."""
    truth = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def reliability(
    labels: np.ndarray, probabilities: np.ndarray, bins: int = CALIBRATION_BINS
) -> tuple[np.ndarray, np.ndarray]:
    """How each top label counts towards calibration, in equal-width bins of confidence.

    Returns:
        `(which, gap)`: each image's bin int `[n]`, 0 to bins - 1, and hit minus confidence
        float `[n]`, -1 to 1.
    """
    confidence = probabilities.max(axis=1)
    hits = probabilities.argmax(axis=1) == labels
    return np.minimum((confidence * bins).astype(int), bins - 1), hits - confidence


def expected_calibration_error(
    labels: np.ndarray, probabilities: np.ndarray, bins: int = CALIBRATION_BINS
) -> float:
    """ECE of the top label over equal-width bins (Guo et al. 2017, equation 3), 0 to 1."""
    which, gap = reliability(labels, probabilities, bins)
    return float(np.abs(np.bincount(which, gap, bins)).sum() / len(labels))


def fitted_temperature(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The temperature (Guo et al. 2017, section 4.2) that would fit these answers best.

    1 means that nothing is left to scale, above 1 that the model is too sure. It says how far
    off the shipped temperature is; to set one, use the validation split (`calibrate`).
    """
    # An int8 file may say exactly 0, whose log loss would outweigh every other image.
    logits = np.log(np.maximum(probabilities, 1e-6))

    def log_loss(temperature: float) -> float:
        return float(-log_softmax(logits / temperature, axis=1)[range(len(labels)), labels].mean())

    return round(float(minimize_scalar(log_loss, bounds=(0.1, 10), method="bounded").x), 4)


def threshold_at_sensitivity(
    positive: np.ndarray, scores: np.ndarray, sensitivity: float = OPERATING_POINT
) -> dict[str, float]:
    """The highest threshold whose sensitivity reaches the target, with what it gives.

    Returns `threshold` (positive means score >= threshold), `sensitivity`, `specificity`.
    """
    false_positive_rate, true_positive_rate, thresholds = roc_curve(
        positive, scores, drop_intermediate=False
    )
    at = int(np.argmax(true_positive_rate >= sensitivity))
    return {
        "threshold": float(thresholds[at]),
        "sensitivity": float(true_positive_rate[at]),
        "specificity": float(1 - false_positive_rate[at]),
    }


def specificity_at_sensitivity(
    positive: np.ndarray, scores: np.ndarray, sensitivity: float = OPERATING_POINT
) -> float:
    """The best specificity of any threshold that reaches the sensitivity, 0 to 1; or NaN."""
    if _one_answer(positive):
        return float("nan")
    return threshold_at_sensitivity(positive, scores, sensitivity)["specificity"]


def sensitivity_at_specificity(
    positive: np.ndarray, scores: np.ndarray, specificity: float = OPERATING_POINT
) -> float:
    """The best sensitivity of any threshold that reaches the specificity, 0 to 1; or NaN."""
    if _one_answer(positive):
        return float("nan")
    false_positive_rate, true_positive_rate, _ = roc_curve(
        positive, scores, drop_intermediate=False
    )
    # 1 - rate is not always the nearest double to what it means.
    reaches = 1 - false_positive_rate >= specificity - 1e-12
    return float(true_positive_rate[reaches].max())


def binary_report(positive: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    """Figures of one binary question, as plain values for JSON.

    `sensitivity_at_specificity` and the reverse are taken at 0.95 on these very answers: what
    the ranking allows, not what a threshold chosen beforehand gives.
    """
    return {
        "images": int(positive.sum()),
        "auroc": auroc(positive, scores),
        "average_precision": average_precision(positive, scores),
        "sensitivity_at_specificity": sensitivity_at_specificity(positive, scores),
        "specificity_at_sensitivity": specificity_at_sensitivity(positive, scores),
    }


def _per_class(matrix: np.ndarray, index: int) -> dict[str, float]:
    """Of the top label, one class against the rest."""
    true_positive = matrix[index, index]
    positives, predicted = matrix[index].sum(), matrix[:, index].sum()
    negatives = matrix.sum() - positives
    true_negative = negatives - predicted + true_positive
    return {
        "images": int(positives),
        "sensitivity": float(true_positive / positives) if positives else float("nan"),
        "specificity": float(true_negative / negatives) if negatives else float("nan"),
        "f1": float(2 * true_positive / (positives + predicted)) if positives else float("nan"),
    }


def classification_report(
    labels: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]
) -> dict[str, Any]:
    """Every figure SkinEdge reports of classes, as plain values for JSON."""
    matrix = confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(len(classes)))
    per_class = {
        code: {
            **_per_class(matrix, index),
            "auroc": auroc(labels == index, probabilities[:, index]),
            "average_precision": average_precision(labels == index, probabilities[:, index]),
        }
        for index, code in enumerate(classes)
    }
    melanoma = per_class.get("mel", {})
    return {
        "images": len(labels),
        "accuracy": float(np.trace(matrix) / matrix.sum()),
        "balanced_accuracy": balanced_accuracy(labels, probabilities),
        "macro_f1": macro_f1(labels, probabilities),
        "weighted_precision": weighted_precision(labels, probabilities),
        "macro_auroc": macro_auroc(labels, probabilities),
        "melanoma_auroc": melanoma.get("auroc", float("nan")),
        "melanoma_average_precision": melanoma.get("average_precision", float("nan")),
        "expected_calibration_error": expected_calibration_error(labels, probabilities),
        "brier_score": brier_score(labels, probabilities),
        "fitted_temperature": fitted_temperature(labels, probabilities),
        "per_class": per_class,
        "confusion_matrix": matrix.tolist(),
    }
