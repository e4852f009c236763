"""`skinedge train RECIPE --data DIR`"""

from __future__ import annotations

import math
import os
import re
import sys
from contextlib import ExitStack
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from skinedge.errors import UsageError

from .options import Data
from .progress import said_in_a_line
from .stations import station

__all__ = ["train"]


MOST = 2**31 - 1  # of a seed: NumPy takes 32 bits, and stages count on from it


class Precision(str, Enum):
    """What the network computes in."""

    float32 = "float32"
    bfloat16 = "bfloat16"


def _chosen(
    recipe: str,
    attention: str | None,
    loss: str | None,
    task: str | None,
    alphas: dict[str, float | None],
) -> Any:
    """The recipe, with what the command line changes in it; `alphas` are those of `Mixing`."""
    recipes = station("train.recipes", "train")
    placement = station("train.zoo.placement", "train")
    if recipe not in recipes.RECIPES:
        raise UsageError(f"unknown recipe {recipe!r}; there are: {', '.join(recipes.RECIPES)}")
    chosen = recipes.RECIPES[recipe]
    if attention is not None:
        blocks = placement.placed(attention, chosen.spec.backbone)
        chosen = replace(chosen, spec=replace(chosen.spec, attention=blocks))
    if loss is not None:
        weights = "none" if loss == "logit-adjusted" else chosen.loss.class_weights
        chosen = replace(chosen, loss=replace(chosen.loss, name=loss, class_weights=weights))
    if task is not None:
        tasks = station("train.tasks", "train").TASKS
        if task not in tasks:
            raise UsageError(f"unknown task {task!r}; there are: {', '.join(tasks)}")
        spec = replace(chosen.spec, classes=tasks[task].classes)
        chosen = replace(chosen, task=task, spec=spec)
    given = {name: alpha for name, alpha in alphas.items() if alpha is not None}
    return replace(chosen, mixing=replace(chosen.mixing, **given))


def _fold(text: str) -> tuple[int, int]:
    """`2/5` -> (2, 5)."""
    fold, _, folds = text.partition("/")
    if not (fold.isdecimal() and folds.isdecimal()):
        raise UsageError(f"--fold {text!r}: give it as K/N, for example 1/5")
    return int(fold), int(folds)


def _is_address(text: str) -> bool:
    parts = re.fullmatch(r"\S+:(\d{1,5})", text)
    return parts is not None and 0 < int(parts[1]) < 2**16


def _check_machines(machines: str, machine: int | None) -> None:
    if not machines:
        if machine is not None:
            raise UsageError("--machine says which of --machines this one is: give both")
        return
    addresses = machines.split(",")
    if len(addresses) < 2 or not all(map(_is_address, addresses)):
        raise UsageError(
            f"--machines {machines!r}: give two or more as HOST:PORT, for example a:1234,b:1234"
        )
    if machine is None or machine >= len(addresses):
        raise UsageError(
            f"--machine says which of --machines this one is: 0 to {len(addresses) - 1}"
        )


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name; skinedge recipes lists them.")],
    data: Data,
    out: Annotated[
        Path | None, typer.Option(help="The run folder to write; runs/RECIPE if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST, help="Of weights and batches.")] = 1,
    split_seed: Annotated[
        int | None,
        typer.Option(min=0, max=MOST, help="Of the split; the same as --seed if not given."),
    ] = None,
    fold: Annotated[
        str, typer.Option(help="K/N: test on the Kth of N folds instead of a hold-out part.")
    ] = "1/1",
    clinic: Annotated[
        str, typer.Option(help="Only this clinic's images, by the table's attribution column.")
    ] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a killed run.")] = False,
    attention: Annotated[
        str | None, typer.Option(help="Replace the recipe's attention block; none ablates it.")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(help="Another loss: cross-entropy, logit-adjusted, focal, ldam or lmf."),
    ] = None,
    mixup: Annotated[
        float | None,
        typer.Option(min=0, help="Blend images by MixUp with this alpha, 0.2 say; 0 is off."),
    ] = None,
    cutmix: Annotated[
        float | None,
        typer.Option(min=0, help="Mix images by CutMix with this alpha, 1 say; 0 is off."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="Another question: ham10000, isic2019, melanoma, keratosis or malignancy."
        ),
    ] = None,
    weights: Annotated[
        str,
        typer.Option(help="Where it starts: imagenet, none, a weights file, or a finished run."),
    ] = "imagenet",
    last_stage: Annotated[
        bool,
        typer.Option("--last-stage", help="Only the recipe's last stage; needs --weights RUN."),
    ] = False,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(help="A finished run to learn from as well; give it again for several."),
    ] = None,
    teacher_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the loss that is the teacher's.")
    ] = 0.5,
    layout: Annotated[
        list[str] | None,
        typer.Option(
            help="The dataset's layout, where it is not to be found out; or once for each --data."
        ),
    ] = None,
    precision: Annotated[
        Precision, typer.Option(help="What the network computes in; weights stay float32.")
    ] = Precision.float32,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Threads that read images; by default all cores up to 16."),
    ] = None,
    data_parallel: Annotated[
        bool,
        typer.Option(
            "--data-parallel",
            help="Share each batch among all GPUs of this machine. Needs KERAS_BACKEND=jax.",
        ),
    ] = False,
    machines: Annotated[
        str,
        typer.Option(
            help="Share each batch among the GPUs of several machines: HOST:PORT of each, with "
            "commas between. Start this command on every one. Needs KERAS_BACKEND=jax."
        ),
    ] = "",
    machine: Annotated[
        int | None,
        typer.Option(
            min=0, help="Which of --machines this one is, from 0. Number 0 writes the run folder."
        ),
    ] = None,
) -> None:
    """Train a recipe, then evaluate the best epoch on the untouched test split.

    The split is by lesion, or by patient where the set says only that. Every epoch is
    checkpointed; the run folder ends up with model.keras, log.csv, curves.png, split.csv,
    evaluation.json, report.html and its plots. Needs skinedge[train]. KERAS_BACKEND chooses the
    backend.

    Examples:

      skinedge train edge --data ham10000/

      skinedge train edge --data ham10000/ --out runs/none --attention none

      skinedge train edge --data ham10000/ --out runs/small --teacher runs/big

      skinedge train edge --data ham10000/ --out runs/longer --weights runs/edge --last-stage

      skinedge train edge --data ham10000/ --out runs/edge --machines a:1234,b:1234 --machine 0

      skinedge train going-smaller-sge --data isic2019/ --data isic2020/ --out runs/fold1 --fold 1/5
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if weights not in ("imagenet", "none") and not Path(weights).exists():
        raise UsageError(f"--weights {weights!r}: use imagenet, none, a weights file, or a run")
    _check_machines(machines, machine)
    number, folds = _fold(fold)
    alphas = {"mixup_alpha": mixup, "cutmix_alpha": cutmix}
    chosen = _chosen(recipe, attention, loss, task, alphas)
    if last_stage:
        if not Path(weights).is_dir():
            raise UsageError("--last-stage goes on from a finished run: name it with --weights RUN")
        chosen = replace(chosen, stages=chosen.stages[-1:])
    partitions = station("train.partition", "train")
    evaluation = station("train.evaluate", "train")
    partition = partitions.Partition(
        chosen.task,
        seed if split_seed is None else split_seed,
        folds,
        number,
        clinic,
        ",".join(layout or ()),
    )
    with said_in_a_line():
        images = partition.open(*data)
        of_task = replace(partition, clinic="").images(images)
        if left_out := len(images.images) - len(of_task.images):
            print(f"skinedge: {left_out} images have no class in this task", file=sys.stderr)
        split = partition(images)
    for line in station("train.datasets.check", "train").check_readable(split):
        print(f"skinedge: warning: {line}; it will not be tested on", file=sys.stderr)

    fit = station("train.fit", "train")
    runs = station("train.runs", "train")
    distill = station("train.distill", "train")
    devices = station("train.devices", "train")
    options = fit.Options(
        weights,
        tuple(teacher or ()),
        distill.Distillation(teacher_share),
        precision.value,
        workers,
    )
    folder = out or Path("runs", recipe)
    with ExitStack() as together:
        if machines:
            folder = together.enter_context(devices.joined(machines, machine, folder, resume))
            devices.check_alike(chosen, split.digest(), seed, resume, options)
        if data_parallel or machines:
            devices.share_batches(chosen.batch_size)
        run = fit.train(chosen, split, folder, seed, resume, partition, options)
        model = devices.whole(runs.load(run))
        validation = runs.ask_keras(model, split.validation, chosen.test_views)
        thresholds = evaluation.decision_thresholds(validation)
        answers = runs.ask_keras(model, split.test, chosen.test_views)
        if machine:
            return  # number 0 has the same answers, and writes them down
        about = {
            "model": f"{run.folder.name}, float32",
            "name": chosen.name,
            "dataset": images.name,
            "split": "test",
            "split digest": split.digest(),
            "views": str(chosen.test_views),
        }
        figures = evaluation.report(answers, thresholds, evaluation.Bootstrap(), about)
        evaluation.write_report(run.folder, answers, figures)
    named = {
        "balanced accuracy": figures["balanced_accuracy"],
        "macro AUROC": figures["macro_auroc"],
        "melanoma AUROC": figures["melanoma_auroc"],
    }
    shown = ", ".join(f"{name} {v:.4f}" for name, v in named.items() if not math.isnan(v))
    unreadable = (*validation.unreadable, *answers.unreadable)
    for line in unreadable:
        print(f"skinedge: left out: {line}", file=sys.stderr)
    print(f"{run.model}: test split, {figures['images']} images, float32: {shown}")
    if unreadable:
        raise typer.Exit(2)
