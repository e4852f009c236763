"""Classification metrics under their usual names, from scikit-learn's.

All take `labels` int `[n]` and `probabilities` float `[n, classes]` with rows summing to 1.
A metric whose class is absent from the labels is NaN, never a guess.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

__all__ = [
    "auroc",
    "balanced_accuracy",
    "classification_report",
    "expected_calibration_error",
    "macro_auroc",
    "threshold_at_sensitivity",
]


def auroc(positive: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve of one binary question; NaN when only one answer occurs."""
    if positive.all() or not positive.any():
        return float("nan")
    return float(roc_auc_score(positive, scores))


def macro_auroc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean one-vs-rest AUROC over the classes that occur."""
    classes = range(probabilities.shape[1])
    areas = np.array([auroc(labels == c, probabilities[:, c]) for c in classes])
    return float(areas[~np.isnan(areas)].mean()) if not np.isnan(areas).all() else float("nan")


def balanced_accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean sensitivity over the classes that occur."""
    hits = probabilities.argmax(axis=1) == labels
    return float(np.mean([hits[labels == c].mean() for c in np.unique(labels)]))


def expected_calibration_error(
    labels: np.ndarray, probabilities: np.ndarray, bins: int = 15
) -> float:
    """ECE of the top label over equal-width bins (Guo et al. 2017, equation 3), 0 to 1."""
    confidence = probabilities.max(axis=1)
    hits = probabilities.argmax(axis=1) == labels
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(hits[which == b].mean() - confidence[which == b].mean()) * (which == b).mean()
        for b in np.unique(which)
    ]
    return float(np.sum(gaps))


def threshold_at_sensitivity(
    positive: np.ndarray, scores: np.ndarray, sensitivity: float = 0.95
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


def _per_class(matrix: np.ndarray, index: int) -> dict[str, float]:
    true_positive = matrix[index, index]
    positives, predicted = matrix[index].sum(), matrix[:, index].sum()
    negatives = matrix.sum() - positives
    true_negative = negatives - predicted + true_positive
    return {
        "images": int(positives),
        "sensitivity": float(true_positive / positives) if positives else float("nan"),
        "specificity": float(true_negative / negatives) if negatives else float("nan"),
    }


def classification_report(
    labels: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]
) -> dict[str, Any]:
    """Every figure SkinEdge reports of a labelled set, as plain values for JSON."""
    matrix = confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(len(classes)))
    per_class = {
        code: {
            **_per_class(matrix, index),
            "auroc": auroc(labels == index, probabilities[:, index]),
        }
        for index, code in enumerate(classes)
    }
    return {
        "images": len(labels),
        "accuracy": float(np.trace(matrix) / matrix.sum()),
        "balanced_accuracy": balanced_accuracy(labels, probabilities),
        "macro_auroc": macro_auroc(labels, probabilities),
        "melanoma_auroc": per_class["mel"]["auroc"] if "mel" in per_class else float("nan"),
        "expected_calibration_error": expected_calibration_error(labels, probabilities),
        "per_class": per_class,
        "confusion_matrix": matrix.tolist(),
    }
