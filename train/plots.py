"""Plots for people who would rather look than read; each writes one PNG."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from .metrics import CALIBRATION_BINS, auroc, average_precision, reliability

__all__ = [
    "confusion_plot",
    "precision_recall_plot",
    "reliability_plot",
    "roc_comparison_plot",
    "roc_plot",
    "training_curves",
]


def _save(figure: Figure, out: Path) -> None:
    figure.savefig(out, dpi=120, bbox_inches="tight")


def training_curves(log: Path, out: Path) -> None:
    """Loss and validation metrics over all epochs of a run's `log.csv`.

    An epoch that stands there twice, since a kill made it run again, is drawn once.
    """
    with open(log, newline="", encoding="utf-8") as file:
        rows = list({(row["stage"], row["epoch"]): row for row in csv.DictReader(file)}.values())
    epochs = range(1, len(rows) + 1)
    figure = Figure(figsize=(9, 3.5))
    losses, scores = figure.subplots(1, 2)
    for axes, columns in (
        (losses, ("loss", "val_loss")),
        (scores, ("val_balanced_accuracy", "val_macro_auroc")),
    ):
        for column in columns:
            axes.plot(epochs, [float(row[column]) for row in rows], label=column)
        for epoch in epochs[1:]:
            if rows[epoch - 1]["stage"] != rows[epoch - 2]["stage"]:
                axes.axvline(epoch - 0.5, color="grey", linestyle=":", linewidth=1)
        axes.set_xlabel("epoch (dotted: the next stage begins)")
        axes.legend()
    _save(figure, out)


def confusion_plot(matrix: np.ndarray, classes: tuple[str, ...], out: Path) -> None:
    """Confusion matrix `[classes, classes]`: counts, coloured by share of the true class."""
    figure = Figure(figsize=(5, 4.5))
    axes = figure.subplots()
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        colour = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(classes)), classes, rotation=45)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    _save(figure, out)


def _roc_axes(figure: Figure) -> Axes:
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    axes.set_xlabel("1 - specificity")
    axes.set_ylabel("sensitivity")
    return axes


def _roc_curve(axes: Axes, positive: np.ndarray, scores: np.ndarray, name: str) -> None:
    """Nothing where only one answer occurs."""
    if positive.any() and not positive.all():
        false_positive, true_positive, _ = roc_curve(positive, scores)
        axes.plot(false_positive, true_positive, label=f"{name} {auroc(positive, scores):.3f}")


def _legend(axes: Axes, title: str) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(title=title)


def roc_plot(
    labels: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...], out: Path
) -> None:
    """One ROC curve per class that occurs, one against the rest."""
    figure = Figure(figsize=(5, 4.5))
    axes = _roc_axes(figure)
    for index, code in enumerate(classes):
        _roc_curve(axes, labels == index, probabilities[:, index], code)
    _legend(axes, "AUROC")
    _save(figure, out)


def roc_comparison_plot(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]], target: str, out: Path
) -> None:
    """One ROC curve per model: name -> (positive bool `[n]`, scores `[n]`) of one question."""
    figure = Figure(figsize=(5, 4.5))
    axes = _roc_axes(figure)
    for name, (positive, scores) in curves.items():
        _roc_curve(axes, positive, scores, name)
    axes.set_title(target)
    _legend(axes, "AUROC")
    _save(figure, out)


def precision_recall_plot(
    labels: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...], out: Path
) -> None:
    """One precision-recall curve per class that occurs, one against the rest."""
    figure = Figure(figsize=(5, 4.5))
    axes = figure.subplots()
    for index, code in enumerate(classes):
        positive, scores = labels == index, probabilities[:, index]
        if positive.any():
            precision, recall, _ = precision_recall_curve(positive, scores)
            name = f"{code} {average_precision(positive, scores):.3f}"
            axes.plot(recall, precision, drawstyle="steps-post", label=name)
    axes.set_xlabel("recall (sensitivity)")
    axes.set_ylabel("precision")
    axes.set_ylim(-0.02, 1.02)
    _legend(axes, "average precision")
    _save(figure, out)


def reliability_plot(labels: np.ndarray, probabilities: np.ndarray, out: Path) -> None:
    """How often the top label is right at each confidence, over how many images say so.

    The bins are the calibration error's.
    """
    confidence = probabilities.max(axis=1)
    which, gap = reliability(labels, probabilities)
    bins = np.unique(which)
    sure = np.array([confidence[which == b].mean() for b in bins])
    right = np.array([(gap + confidence)[which == b].mean() for b in bins])
    figure = Figure(figsize=(5, 5.5))
    curve, crowd = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    curve.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    curve.plot(sure, right, marker="o")
    curve.set_ylabel("share that is right")
    curve.set_ylim(-0.02, 1.02)
    crowd.hist(confidence, bins=np.linspace(0, 1, CALIBRATION_BINS + 1), edgecolor="white")
    crowd.set_ylabel("images")
    crowd.set_xlabel("confidence in the top label")
    crowd.set_xlim(-0.02, 1.02)
    _save(figure, out)
