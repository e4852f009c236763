"""Evaluate a model file on a labelled set: the same code path that runs on a device.

Everything goes through the edge library, so what is measured is what ships. No TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skinedge.classifier import Classifier
from skinedge.errors import DatasetError, ImageError

from .datasets.images import LabelledImages
from .metrics import classification_report, threshold_at_sensitivity

__all__ = ["Answers", "ask", "decision_thresholds", "report", "to_json", "write_report"]


@dataclass(frozen=True)
class Answers:
    """What a model said of a labelled set, in the set's order.

    Attributes:
        classes: the model's class codes, in column order.
        labels: int64 `[n]`, indices into `classes`.
        probabilities: float64 `[n, classes]`, rows sum to 1.
        malignant: bool `[classes]`.
        attention: float32 `[n, h, w]`, each map's maximum 1, or None.
        unreadable: one line for each image that could not be read; these are left out above.
    """

    classes: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    malignant: np.ndarray
    attention: np.ndarray | None
    unreadable: tuple[str, ...]


def ask(
    classifier: Classifier, data: LabelledImages, progress: Callable[[int], None] | None = None
) -> Answers:
    """Predict every image (its sharpest copy) of a labelled set.

    Args:
        classifier: a loaded model.
        data: what to predict; its classes must all be the model's.
        progress: called with 1 after each image.

    Raises:
        DatasetError: the set has a class the model lacks, or no readable image.
    """
    classes = tuple(label.code for label in classifier.file.labels)
    lacking = sorted(set(data.classes) - set(classes))
    if lacking:
        raise DatasetError(f"{data.name}: has classes the model lacks: {', '.join(lacking)}")
    labels, rows, maps, unreadable = [], [], [], []
    for image in data.images:
        try:
            prediction = classifier.predict(image.sharpest)
        except ImageError as error:
            unreadable.append(str(error))
            continue
        finally:
            if progress:
                progress(1)
        by_code = {label.code: label.probability for label in prediction.labels}
        rows.append([by_code[code] for code in classes])
        labels.append(classes.index(data.classes[image.label]))
        if prediction.attention is not None:
            maps.append(prediction.attention)
    if not rows:
        raise DatasetError(f"{data.name}: none of its {len(data.images)} images can be read")
    return Answers(
        classes,
        np.array(labels),
        np.array(rows),
        np.array([label.malignant is True for label in classifier.file.labels]),
        np.stack(maps) if maps else None,
        tuple(unreadable),
    )


def _targets(answers: Answers) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Binary questions a threshold answers: name -> (positive `[n]`, score `[n]`)."""
    targets = {}
    if "mel" in answers.classes:
        melanoma = answers.classes.index("mel")
        targets["mel"] = (answers.labels == melanoma, answers.probabilities[:, melanoma])
    if answers.malignant.any():
        scores = answers.probabilities[:, answers.malignant].sum(axis=1)
        targets["malignant"] = (answers.malignant[answers.labels], scores)
    return targets


def decision_thresholds(answers: Answers, sensitivity: float = 0.95) -> list[dict[str, Any]]:
    """Thresholds for melanoma and for malignant that reach `sensitivity` on these answers.

    Give it the validation split's answers, never the test split's. A target that does not
    occur among them gets no threshold.
    """
    return [
        {"target": name, **threshold_at_sensitivity(positive, scores, sensitivity)}
        for name, (positive, scores) in _targets(answers).items()
        if positive.any()
    ]


def report(answers: Answers, thresholds: list[dict[str, Any]]) -> dict[str, Any]:
    """Every figure of `metrics.classification_report`, and what the thresholds do here."""
    targets = _targets(answers)
    at_thresholds = []
    for rule in thresholds:
        positive, scores = targets[rule["target"]]
        called = scores >= rule["threshold"]
        negative = ~positive
        at_thresholds.append(
            {
                "target": rule["target"],
                "threshold": rule["threshold"],
                "sensitivity": float(called[positive].mean()) if positive.any() else float("nan"),
                "specificity": float((~called[negative]).mean())
                if negative.any()
                else float("nan"),
            }
        )
    return {
        **classification_report(answers.labels, answers.probabilities, answers.classes),
        "at_thresholds": at_thresholds,
        "unreadable": list(answers.unreadable),
    }


def write_report(folder: Path, answers: Answers, figures: dict[str, Any]) -> None:
    """Write `evaluation.json`, `confusion.png` and `roc.png` into `folder`."""
    from .plots import confusion_plot, roc_plot

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(to_json(figures, indent=2) + "\n", encoding="utf-8")
    matrix = np.array(figures["confusion_matrix"])
    confusion_plot(matrix, answers.classes, folder / "confusion.png")
    roc_plot(answers.labels, answers.probabilities, answers.classes, folder / "roc.png")


def to_json(figures: dict[str, Any], indent: int | None = None) -> str:
    """Figures as JSON text with sorted keys; NaN becomes null, "not defined here"."""
    return json.dumps(_without_nan(figures), indent=indent, sort_keys=True, allow_nan=False)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value
