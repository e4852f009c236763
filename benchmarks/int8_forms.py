"""Several files of one network beside its float32 file, asked about the validation split."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skinedge.benchmarks.prior_free import melanoma_of
from skinedge.compress.convert import float32_tflite
from skinedge.compress.fidelity import Fidelity, fidelity
from skinedge.compress.heads import run_heads
from skinedge.compress.pipeline import training_pixels
from skinedge.compress.recipe import Compression, parse
from skinedge.train import runs
from skinedge.train.batches import load_pixels
from skinedge.train.datasets.images import LabelledImages
from skinedge.train.evaluate import to_json
from skinedge.train.metrics import auroc, balanced_accuracy, macro_auroc

__all__ = ["Forms", "Row", "command", "compare", "markdown"]

# From a network, a recipe and the first so many training images to files by the name of their form.
Forms = Callable[[Any, Compression, Callable[[int], np.ndarray]], Mapping[str, bytes]]


@dataclass(frozen=True)
class Row:
    """One file, asked about the validation split.

    Attributes:
        form: how it was made.
        balanced_accuracy, macro_auroc, melanoma_auroc: 0 to 1; the last NaN without such a class.
        fidelity: against the float32 file.
    """

    form: str
    balanced_accuracy: float
    macro_auroc: float
    melanoma_auroc: float
    fidelity: Fidelity


def compare(run: runs.Run, data: LabelledImages, forms: Forms) -> list[Row]:
    """Make the files and ask them; the first row is float32.

    Args:
        run: a finished run.
        data: the dataset it was trained on.
        forms: makes the files, by the recipe `int8` or with parts of it left out.

    Raises:
        RunError: the run is not finished, or of another split.
        CompressionError: the converter refused.
    """
    split = runs.split_of(run, data)
    model, how = runs.load(run), parse("int8")
    size = int(model.inputs[0].shape[1])
    pixels = training_pixels(split.train, run.describe()["seed"], size)(how.images)
    files = {"float32": float32_tflite(model), **forms(model, how, lambda count: pixels[:count])}
    part = split.validation
    images, labels, melanoma = load_pixels(part.images, size), part.labels(), melanoma_of(part)
    said = {form: run_heads(content, images) for form, content in files.items()}
    rows = []
    for form, heads in said.items():
        answers = heads.probabilities / heads.probabilities.sum(axis=1, keepdims=True)
        area = float("nan")
        if melanoma is not None:
            area = auroc(labels == melanoma, answers[:, melanoma])
        figures = balanced_accuracy(labels, answers), macro_auroc(labels, answers), area
        rows.append(Row(form, *figures, fidelity(said["float32"], heads)))
    return rows


def markdown(rows: list[Row]) -> str:
    """The table for a document."""
    lines = [
        "| form | balanced accuracy | macro AUROC | melanoma AUROC | same class | KL "
        "| map correlation |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        near = row.fidelity
        figures = row.balanced_accuracy, row.macro_auroc, row.melanoma_auroc
        lines.append(
            f"| {row.form} | {' | '.join(f'{figure:.4f}' for figure in figures)} "
            f"| {near.agreement:.2%} | {near.divergence:.4f} | {near.attention_correlation:.4f} |"
        )
    return "\n".join(lines)


def command(about: str | None, forms: Forms) -> None:
    """Read the arguments, compare, print.

    Args:
        about: the docstring of the module that is run.
        forms: as for `compare`.
    """
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="the run folder")
    parser.add_argument("--data", type=Path, required=True, help="its dataset")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    run = runs.Run(arguments.run)
    rows = compare(run, runs.data_of(run, arguments.data), forms)
    print(to_json([asdict(row) for row in rows]) if arguments.json else markdown(rows))
