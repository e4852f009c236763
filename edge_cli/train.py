"""`skinedge train RECIPE --data DIR --out RUN`"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from skinedge.errors import UsageError

from .options import Data
from .stations import station

__all__ = ["train"]


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, e.g. edge.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    seed: Annotated[int, typer.Option(min=0, help="Of split, weights, batches.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a killed run.")] = False,
    attention: Annotated[
        str | None, typer.Option(help="Replace the recipe's attention block; none ablates it.")
    ] = None,
    weights: Annotated[str, typer.Option(help="Where to start: imagenet, or none.")] = "imagenet",
) -> None:
    """Train a recipe, then evaluate the best epoch on the untouched test split.

    The split is by lesion. Every epoch is checkpointed; the run folder ends up with model.keras,
    log.csv, curves.png, split.csv, evaluation.json, roc.png and confusion.png. Needs
    skinedge[train]. KERAS_BACKEND chooses the backend.

    Examples:

      skinedge train edge --data ham10000/ --out runs/edge

      skinedge train edge --data ham10000/ --out runs/none --attention none
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if weights not in ("imagenet", "none"):
        raise UsageError(f"--weights {weights!r}: use imagenet or none")
    datasets = station("train.datasets", "train")
    recipes = station("train.recipes", "train")
    evaluation = station("train.evaluate", "train")
    images = datasets.open_dataset(data)
    if recipe not in recipes.RECIPES:
        raise UsageError(f"unknown recipe {recipe!r}; there are: {', '.join(recipes.RECIPES)}")
    chosen = recipes.RECIPES[recipe]
    if attention is not None:
        chosen = replace(chosen, spec=replace(chosen.spec, attention=attention))
    split = datasets.split_by_lesion(images, seed)

    fit = station("train.fit", "train")
    runs = station("train.runs", "train")
    run = fit.train(chosen, split, out, seed, resume=resume, imagenet=weights == "imagenet")
    model = runs.load(run)
    thresholds = evaluation.decision_thresholds(runs.ask_keras(model, split.validation))
    answers = runs.ask_keras(model, split.test)
    figures = evaluation.report(answers, thresholds)
    evaluation.write_report(run.folder, answers, figures)
    print(
        f"{run.model}: test split, {figures['images']} images, float32: "
        f"balanced accuracy {figures['balanced_accuracy']:.4f}, "
        f"macro AUROC {figures['macro_auroc']:.4f}, "
        f"melanoma AUROC {figures['melanoma_auroc']:.4f}"
    )
