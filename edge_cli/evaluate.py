"""`skinedge evaluate MODEL... --data DIR`"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from skinedge.errors import UsageError

from .figures import comparison_text, evaluation_text
from .options import Data, Json, Labels, Part, Threads
from .progress import said_in_a_line
from .stations import station

__all__ = ["evaluate"]


def _named(data: list[Path]) -> str:
    return " + ".join(map(str, data))


def _images_for(
    classifiers: dict[str, Any], data: list[Path], part: Part, layout: str
) -> dict[str, Any]:
    """What to ask each model about."""
    choosing = station("train.model_images", "evaluate")
    chosen = {}
    with said_in_a_line():
        for name, classifier in classifiers.items():
            file = classifier.file
            chosen[name], own = choosing.images_for(file, data, part.value, layout)
            if own and part is Part.all:
                print(
                    f"skinedge: warning: {file.path} was trained on most of {_named(data)}; for "
                    "figures that mean something use --split test",
                    file=sys.stderr,
                )
    return chosen


def _names(models: list[Path]) -> dict[str, Path]:
    """A short name for each model; the whole path where two files are called the same."""
    stems = [model.stem for model in models]
    names = [
        model.stem if stems.count(model.stem) == 1 else str(model.with_suffix(""))
        for model in models
    ]
    if len(set(names)) < len(names):
        raise UsageError("a model is named twice; name each once")
    return dict(zip(names, models, strict=True))


def _about(classifier: Any, model: Path, images: Any, part: Part) -> dict[str, str]:
    card = classifier.file.card or {}
    known = {
        "model": model.name,
        "name": card.get("name"),
        "version": card.get("version"),
        "dataset": images.name,
        "split": part.value,
        "split digest": card.get("training", {}).get("split_sha256") if part != "all" else None,
    }
    return {name: str(text) for name, text in known.items() if text}


def evaluate(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL...", help="A .tflite model, or several.")
    ],
    data: Data,
    split: Annotated[
        Part,
        typer.Option(
            help="Part of the set the model was trained on; the file knows its own split. "
            "Use all for a set the model has never seen."
        ),
    ] = Part.all,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html, evaluation.json and the plots.")
    ] = None,
    intervals: Annotated[
        bool | None,
        typer.Option(
            "--intervals/--no-intervals",
            help="95 % bootstrap intervals, some seconds more; by default with --out or --json.",
        ),
    ] = None,
    layout: Annotated[
        list[str] | None,
        typer.Option(
            help="The layout of --data, where it is not to be found out; or once for each."
        ),
    ] = None,
    labels: Labels = None,
    threads: Threads = None,
    json_lines: Json = False,
) -> None:
    """Evaluate models on any labelled set, through the code that runs on the device.

    Several models are compared with the first: one table, one plot of their ROC curves, and
    each one's own report in a folder below --out. With --split test, models of other clinics or
    folds each answer their own test part; differences are taken only on the same images. Needs
    skinedge[evaluate]. Images that cannot be read are named, left out, and make the exit code 2.

    Examples:

      skinedge evaluate edge.tflite --data ham10000/ --split test

      skinedge evaluate edge.tflite --data my-clinic/ --out report/

      skinedge evaluate edge-float32.tflite edge.tflite --data ham10000/ --split test --out both/
    """
    from skinedge import DISCLAIMER

    from .loading import load_classifier

    evaluation = station("train.evaluate", "evaluate")
    several = len(models) > 1
    named = _names(models)
    wanted = intervals if intervals is not None else bool(out or json_lines)
    bootstrap = evaluation.Bootstrap() if wanted else None
    classifiers = {name: load_classifier(model, labels, threads) for name, model in named.items()}
    chosen = _images_for(classifiers, data, split, ",".join(layout or ()))
    if out:
        out.mkdir(parents=True, exist_ok=True)  # found impossible before the long work
    answers, figures = {}, {}
    for name, classifier in classifiers.items():
        images, label = chosen[name], name if several else "images"
        with typer.progressbar(length=len(images.images), file=sys.stderr, label=label) as bar:
            answers[name] = evaluation.ask(classifier, images, bar.update)
        figures[name] = evaluation.report(
            answers[name],
            (classifier.file.card or {}).get("thresholds", []),
            bootstrap,
            _about(classifier, named[name], images, split),
        )
    if several:
        comparing = station("train.comparison", "evaluate")
        result = comparing.compare(answers, figures, bootstrap)
        text = comparison_text(result)
    else:
        [result] = figures.values()
        text = evaluation_text(result, f"{models[0]} on {_named(data)}")
    if out:
        for name in named:
            below = out / name.replace("/", "_") if several else out
            evaluation.write_report(below, answers[name], figures[name])
        if several:
            comparing.write_comparison(out, answers, result)
    unreadable = list(dict.fromkeys(line for said in answers.values() for line in said.unreadable))
    for line in unreadable:
        print(f"skinedge: {line}", file=sys.stderr)
    print(evaluation.to_json(result) if json_lines else text)
    print(DISCLAIMER, file=sys.stderr if json_lines else sys.stdout)
    if unreadable:
        raise typer.Exit(2)
