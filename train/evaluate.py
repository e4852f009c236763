"""Evaluate a model file on a labelled set: the same code path that runs on a device.

Everything goes through the edge library, so what is measured is what ships. No TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from skinedge.classifier import Classifier
from skinedge.errors import DatasetError, ImageError

from .answers import Answers, targets
from .attention_on_lesion import AttentionOnLesion, attention_on_lesion
from .datasets.images import LabelledImages
from .groups import group_figures
from .intervals import Bootstrap, intervals
from .metrics import binary_report, classification_report, threshold_at_sensitivity

__all__ = [
    "Answers",
    "Bootstrap",
    "ask",
    "decision_thresholds",
    "report",
    "to_json",
    "write_report",
]

SCHEMA = 1
TARGETS = ("mel", "malignant")


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
    images, labels, rows, maps, unreadable = [], [], [], [], []
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
        images.append(image)
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
        tuple(images),
    )


def decision_thresholds(answers: Answers, sensitivity: float = 0.95) -> list[dict[str, Any]]:
    """Thresholds, one for each of `answers.targets`, that reach `sensitivity` on these answers.

    Give it the validation split's answers, never the test split's. A target that does not
    occur among them gets no threshold.
    """
    return [
        {"target": name, **threshold_at_sensitivity(positive, scores, sensitivity)}
        for name, (positive, scores) in targets(answers).items()
        if positive.any()
    ]


def _at_threshold(answers: Answers, rule: Mapping[str, Any]) -> dict[str, Any]:
    positive, scores = targets(answers)[rule["target"]]
    called, negative = scores >= rule["threshold"], ~positive
    return {
        "target": rule["target"],
        "threshold": rule["threshold"],
        "sensitivity": float(called[positive].mean()) if positive.any() else float("nan"),
        "specificity": float((~called[negative]).mean()) if negative.any() else float("nan"),
    }


def _target_figures(answers: Answers) -> dict[str, dict[str, Any]]:
    """Melanoma and malignant always: one the model knows nothing of has NaN."""
    unasked = dict.fromkeys(binary_report(np.zeros(1, bool), np.zeros(1)), float("nan"))
    asked = {name: binary_report(*question) for name, question in targets(answers).items()}
    return {**dict.fromkeys(TARGETS, unasked), **asked}


def _interval_figures(
    answers: Answers,
    thresholds: Sequence[dict[str, Any]],
    attention: AttentionOnLesion | None,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    return {
        **asdict(bootstrap),
        "lesions": len(np.unique(answers.lesions())),
        "of": intervals(answers, bootstrap, thresholds, attention),
    }


def report(
    answers: Answers,
    thresholds: list[dict[str, Any]],
    bootstrap: Bootstrap | None = None,
    about: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Every figure SkinEdge reports of a labelled set, as plain values for JSON.

    Args:
        answers: what a model said; with its images there are figures by group and by mask too.
        thresholds: as `decision_thresholds` made them, from other images.
        bootstrap: how to take intervals, which costs seconds; None for no intervals.
        about: what was evaluated, as text by name: model, dataset, split.

    Returns:
        `metrics.classification_report`'s figures, and:
        `targets`: `metrics.binary_report` for `mel` and `malignant`, NaN where the model has no
        such target, and for `sk` where it has that.
        `at_thresholds`: what each threshold does here.
        `groups`: see `groups.group_figures`.
        `attention_on_lesion`: see `AttentionOnLesion.figures`; None without map or masks.
        `intervals`: draws, confidence, seed, lesions, and `of`: a figure's path, such as
        `per_class.mel.auroc`, -> [low, high]; None if not asked for.
        `unreadable`, `about`, `schema`.
    """
    attention = attention_on_lesion(answers.attention, answers.images)
    return {
        "schema": SCHEMA,
        "about": dict(about or {}),
        **classification_report(answers.labels, answers.probabilities, answers.classes),
        "targets": _target_figures(answers),
        "at_thresholds": [_at_threshold(answers, rule) for rule in thresholds],
        "groups": group_figures(answers, thresholds),
        "attention_on_lesion": attention.figures() if attention else None,
        "intervals": _interval_figures(answers, thresholds, attention, bootstrap)
        if bootstrap
        else None,
        "unreadable": list(answers.unreadable),
    }


def write_report(folder: Path, answers: Answers, figures: dict[str, Any]) -> None:
    """Write figures as `evaluation.json`, plots as PNG, and both as one `report.html`.

    The plots are `confusion.png`, `roc.png`, `precision_recall.png` and `reliability.png`.
    """
    from .plots import confusion_plot, precision_recall_plot, reliability_plot, roc_plot
    from .report import evaluation_html

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(to_json(figures, indent=2) + "\n", encoding="utf-8")
    names = ("confusion", "roc", "precision_recall", "reliability")
    plots = {name: folder / f"{name}.png" for name in names}
    labels, probabilities, classes = answers.labels, answers.probabilities, answers.classes
    confusion_plot(np.array(figures["confusion_matrix"]), classes, plots["confusion"])
    roc_plot(labels, probabilities, classes, plots["roc"])
    precision_recall_plot(labels, probabilities, classes, plots["precision_recall"])
    reliability_plot(labels, probabilities, plots["reliability"])
    (folder / "report.html").write_text(evaluation_html(figures, plots), encoding="utf-8")


def to_json(figures: Any, indent: int | None = None) -> str:
    """Figures as JSON text with sorted keys; NaN becomes null, "not defined here"."""
    return json.dumps(_without_nan(figures), indent=indent, sort_keys=True, allow_nan=False)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value
