"""The figures of many bootstrap draws at once.

A draw is a count per image. A thousand draws through scikit-learn take minutes; here a metric of
all draws is a matrix product or a cumulative sum. Tests compare every figure with `metrics` on
images repeated as often as the counts say. Names are paths into `evaluate.report`'s figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .answers import Answers, targets
from .attention_on_lesion import AttentionOnLesion
from .metrics import CALIBRATION_BINS, OPERATING_POINT, reliability

__all__ = ["figures_of_draws"]

Draws = dict[str, np.ndarray]


def _mean_over_classes(values: np.ndarray) -> np.ndarray:
    """Mean of `[draws, classes]` over the classes that are not NaN; NaN where all are."""
    known = ~np.isnan(values)
    return np.where(known, values, 0).sum(axis=1) / known.sum(axis=1)


def _of_confusion(labels: np.ndarray, probabilities: np.ndarray, counts: np.ndarray) -> Draws:
    classes = probabilities.shape[1]
    cell = labels * classes + probabilities.argmax(axis=1)
    which = np.eye(classes * classes)[cell]
    matrix = (counts @ which).reshape(-1, classes, classes)
    hits = matrix.diagonal(axis1=1, axis2=2)
    positives, named = matrix.sum(axis=2), matrix.sum(axis=1)
    total = positives.sum(axis=1)
    negatives = total[:, np.newaxis] - positives
    precision = hits / np.maximum(named, 1)
    f1 = np.where(positives > 0, 2 * hits / (positives + named), np.nan)
    return {
        "accuracy": hits.sum(axis=1) / total,
        "balanced_accuracy": _mean_over_classes(hits / positives),
        "macro_f1": _mean_over_classes(f1),
        "weighted_precision": (precision * positives).sum(axis=1) / total,
        "sensitivity": hits / positives,
        "specificity": (negatives - named + hits) / negatives,
        "f1": f1,
    }


def _of_ranking(positive: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> Draws:
    """Figures of one binary question, from the ROC curve through every distinct score."""
    order = np.argsort(-scores, kind="stable")
    distinct = np.flatnonzero(np.r_[True, np.diff(scores[order]) != 0])
    ordered = counts[:, order]
    hits = np.add.reduceat(ordered * positive[order], distinct, axis=1)
    alarms = np.add.reduceat(ordered * ~positive[order], distinct, axis=1)
    hits_so_far, alarms_so_far = hits.cumsum(axis=1), alarms.cumsum(axis=1)
    positives, negatives = hits_so_far[:, -1:], alarms_so_far[:, -1:]
    precision = hits_so_far / np.maximum(hits_so_far + alarms_so_far, 1)
    sensitivity = hits_so_far / positives
    specificity = (negatives - alarms_so_far) / negatives
    area = (alarms * (hits_so_far - hits / 2)).sum(axis=1) / (positives * negatives)[:, 0]
    # A threshold above every score has sensitivity 0 and specificity 1.
    best_sensitivity = np.where(specificity >= OPERATING_POINT, sensitivity, 0).max(axis=1)
    best_specificity = np.where(sensitivity >= OPERATING_POINT, specificity, 0).max(axis=1)
    undefined = np.isnan(area)
    return {
        "auroc": area,
        "average_precision": (hits * precision).sum(axis=1) / positives[:, 0],
        "sensitivity_at_specificity": np.where(undefined, np.nan, best_sensitivity),
        "specificity_at_sensitivity": np.where(undefined, np.nan, best_specificity),
    }


def _of_calibration(labels: np.ndarray, probabilities: np.ndarray, counts: np.ndarray) -> Draws:
    which, gap = reliability(labels, probabilities)
    gaps = counts @ (np.eye(CALIBRATION_BINS)[which] * gap[:, np.newaxis])
    truth = np.eye(probabilities.shape[1])[labels]
    total = counts.sum(axis=1)
    return {
        "expected_calibration_error": np.abs(gaps).sum(axis=1) / total,
        "brier_score": counts @ ((probabilities - truth) ** 2).sum(axis=1) / total,
    }


def _at_thresholds(
    answers: Answers, counts: np.ndarray, thresholds: Iterable[Mapping[str, Any]]
) -> Draws:
    asked = targets(answers)
    found = {}
    for rule in thresholds:
        positive, scores = asked[rule["target"]]
        called = scores >= rule["threshold"]
        at = f"at_thresholds.{rule['target']}"
        found[f"{at}.sensitivity"] = (counts @ (called & positive)) / (counts @ positive)
        found[f"{at}.specificity"] = (counts @ ~(called | positive)) / (counts @ ~positive)
    return found


def _on_lesion(attention: AttentionOnLesion, counts: np.ndarray) -> Draws:
    known = ~np.isnan(attention.shares)
    total = counts @ known
    mean, uniform = (
        (counts @ np.where(known, values, 0)) / total
        for values in (attention.shares, attention.uniform)
    )
    return {"attention_on_lesion.mean": mean, "attention_on_lesion.gain": mean / uniform}


def figures_of_draws(
    answers: Answers,
    counts: np.ndarray,
    thresholds: Iterable[Mapping[str, Any]] = (),
    attention: AttentionOnLesion | None = None,
) -> Draws:
    """Every figure that can have an interval, in each draw.

    Args:
        answers: of `n` images.
        counts: `[draws, n]`, how often each image is in each draw; 0 or more.
        thresholds: as for `evaluate.report`.
        attention: what `attention_on_lesion` found of these answers.

    Returns:
        name -> float64 `[draws]`, NaN where a draw leaves the figure undefined. Names are
        `accuracy`, `per_class.mel.auroc`, `targets.malignant.average_precision`,
        `at_thresholds.mel.sensitivity`, and so on.
    """
    labels, probabilities = answers.labels, answers.probabilities
    counts = counts.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = _of_confusion(labels, probabilities, counts)
        of_classes = {name: found.pop(name) for name in ("sensitivity", "specificity", "f1")}
        areas = []
        for index, code in enumerate(answers.classes):
            ranking = _of_ranking(labels == index, probabilities[:, index], counts)
            areas.append(ranking["auroc"])
            for name, values in of_classes.items():
                found[f"per_class.{code}.{name}"] = values[:, index]
            found[f"per_class.{code}.auroc"] = ranking["auroc"]
            found[f"per_class.{code}.average_precision"] = ranking["average_precision"]
        found["macro_auroc"] = _mean_over_classes(np.stack(areas, axis=1))
        if "mel" in answers.classes:
            found["melanoma_auroc"] = found["per_class.mel.auroc"]
            found["melanoma_average_precision"] = found["per_class.mel.average_precision"]
        for name, (positive, scores) in targets(answers).items():
            ranking = _of_ranking(positive, scores, counts)
            found.update({f"targets.{name}.{key}": row for key, row in ranking.items()})
        found.update(_of_calibration(labels, probabilities, counts))
        found.update(_at_thresholds(answers, counts, thresholds))
        if attention is not None:
            found.update(_on_lesion(attention, counts))
    return found
