"""Plots for people who would rather look than read; each writes one PNG."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from .metrics import auroc

__all__ = ["confusion_plot", "roc_plot", "training_curves"]


def _save(figure: Figure, out: Path) -> None:
    figure.savefig(out, dpi=120, bbox_inches="tight")


def training_curves(log: Path, out: Path) -> None:
    """Loss and validation metrics over all epochs of a run's `log.csv`."""
    with open(log, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
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
        axes.set_xlabel("epoch (dotted: larger images begin)")
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


def roc_plot(
    labels: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...], out: Path
) -> None:
    """One ROC curve per class that occurs, one against the rest."""
    figure = Figure(figsize=(5, 4.5))
    axes = figure.subplots()
    for index, code in enumerate(classes):
        positive = labels == index
        if positive.any() and not positive.all():
            false_positive, true_positive, _ = roc_curve(positive, probabilities[:, index])
            area = auroc(positive, probabilities[:, index])
            axes.plot(false_positive, true_positive, label=f"{code} {area:.3f}")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    axes.set_xlabel("1 - specificity")
    axes.set_ylabel("sensitivity")
    axes.legend(title="AUROC")
    _save(figure, out)
