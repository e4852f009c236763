"""`skinedge evaluate MODEL --data DIR`"""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from skinedge.errors import DatasetError, UsageError

from .options import Data, Json, Labels, Threads
from .stations import station

__all__ = ["evaluate"]


class Part(str, Enum):
    """Which images of the set to take."""

    all = "all"
    train = "train"
    validation = "validation"
    test = "test"


def _own_split(datasets: Any, images: Any, card: dict[str, Any]) -> Any:
    """The split the model was trained on, if these are its images; else None."""
    if "training" not in card:
        return None
    try:
        split = datasets.split_by_lesion(images, card["training"]["seed"])
    except DatasetError:  # too small a set to be split: another one
        return None
    return split if split.digest() == card["training"]["split_sha256"] else None


def _text(figures: dict[str, Any], what: str) -> str:
    lines = [
        f"{what}: {figures['images']} images",
        f"  balanced accuracy  {figures['balanced_accuracy']:.4f}",
        f"  macro AUROC        {figures['macro_auroc']:.4f}",
        f"  melanoma AUROC     {figures['melanoma_auroc']:.4f}",
        f"  accuracy           {figures['accuracy']:.4f}",
        f"  calibration error  {figures['expected_calibration_error']:.4f}",
        f"  {'class':6} {'images':>6} {'sensitivity':>11} {'specificity':>11} {'AUROC':>7}",
    ]
    for code, row in figures["per_class"].items():
        lines.append(
            f"  {code:6} {row['images']:6d} {row['sensitivity']:11.4f} "
            f"{row['specificity']:11.4f} {row['auroc']:7.4f}"
        )
    for rule in figures["at_thresholds"]:
        lines.append(
            f"  {rule['target']} at its threshold {rule['threshold']:.4f}: sensitivity "
            f"{rule['sensitivity']:.4f}, specificity {rule['specificity']:.4f}"
        )
    return "\n".join(lines)


def evaluate(
    model: Annotated[Path, typer.Argument(help="A .tflite model.")],
    data: Data,
    split: Annotated[
        Part,
        typer.Option(
            help="Part of the set the model was trained on; the file knows its own split. "
            "Use all for a set the model has never seen."
        ),
    ] = Part.all,
    out: Annotated[
        Path | None, typer.Option(help="Folder for evaluation.json, confusion.png, roc.png.")
    ] = None,
    labels: Labels = None,
    threads: Threads = None,
    json_lines: Json = False,
) -> None:
    """Evaluate a model on any labelled set, through the code that runs on the device.

    Needs skinedge[evaluate]. Images that cannot be read are named, left out, and make the exit
    code 2.

    Examples:

      skinedge evaluate edge.tflite --data ham10000/ --split test

      skinedge evaluate edge.tflite --data my-clinic/ --out report/
    """
    from skinedge import DISCLAIMER

    from .loading import load_classifier

    evaluation = station("train.evaluate", "evaluate")
    datasets = station("train.datasets", "evaluate")
    classifier = load_classifier(model, labels, threads)
    codes = tuple(label.code for label in classifier.file.labels)
    images = datasets.open_dataset(data, codes)
    card = classifier.file.card or {}
    own = _own_split(datasets, images, card)
    if split is not Part.all:
        if own is None:
            raise UsageError(f"{data}: not the set {model} was trained on; use --split all")
        images = own.parts()[split.value]
    elif own is not None:
        print(
            f"skinedge: warning: {model} was trained on most of {data}; for figures that mean "
            "something use --split test",
            file=sys.stderr,
        )
    if out:
        out.mkdir(parents=True, exist_ok=True)  # found to be impossible before the long work
    with typer.progressbar(length=len(images.images), file=sys.stderr, label="images") as bar:
        answers = evaluation.ask(classifier, images, bar.update)
    figures = evaluation.report(answers, card.get("thresholds", []))
    if out:
        evaluation.write_report(out, answers, figures)
    for line in answers.unreadable:
        print(f"skinedge: {line}", file=sys.stderr)
    print(evaluation.to_json(figures) if json_lines else _text(figures, f"{model} on {data}"))
    print(DISCLAIMER, file=sys.stderr if json_lines else sys.stdout)
    if answers.unreadable:
        raise typer.Exit(2)
