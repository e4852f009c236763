"""Train a recipe: stages, checkpoints every epoch, resume, early stopping, a CSV log.

A run folder holds `run.json` (recipe, seed, split digest, calibration, versions), `split.csv`,
`log.csv`, `curves.png`, `model.keras` (the best epoch of the last stage, calibrated; outputs
logits and map), and while it trains `checkpoints/`. A resumed run draws the same batches an
unbroken one would.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from skinedge.errors import RunError, UsageError
from skinedge.whole_file import write_whole

from .batches import lesion_prior
from .calibrate import fit_calibration, fold
from .datasets.splits import Split, write_split
from .description import Options, check_same, describe
from .devices import whole
from .partition import Partition
from .plots import training_curves
from .recipes.recipe import Recipe
from .runs import Run, load_equal_prior, outputs_on, save
from .stages import Trainer

__all__ = ["Options", "train"]


def train(
    recipe: Recipe,
    split: Split,
    out: str | Path,
    seed: int,
    resume: bool = False,
    partition: Partition | None = None,
    options: Options | None = None,
) -> Run:
    """Train `recipe` on `split` into the run folder `out`.

    Args:
        recipe: what to train.
        split: parts of one dataset, in the recipe's classes.
        out: the run folder; must be new or empty unless `resume`.
        seed: of initial weights, batches and dropout.
        resume: go on where a killed run stopped; its recipe, seed and split must be the same.
        partition: what made the split, for the run's description; the recipe's task and `seed`
            if not given.
        options: what else may vary.

    Raises:
        RunError: the folder is in the way, or belongs to another recipe, seed or split; a
            teacher, or the run to go on from, is of another split or network.
        UsageError: the recipe's spec names what does not exist, or its classes are not the data's.
        ModelFileError: the ImageNet weights cannot be had.
    """
    run, options = Run(out), options or Options()
    partition = partition or Partition(recipe.task, seed)
    if recipe.spec.classes != split.train.classes:
        raise UsageError(
            f"{recipe.name} answers for {', '.join(recipe.spec.classes)}; "
            f"{split.train.name} is labelled {', '.join(split.train.classes)}"
        )
    # What can be wrong with recipe, teachers or weights is found before anything is written.
    for teacher in options.teachers:
        load_equal_prior(Run(teacher), split)
    trainer = Trainer(run, recipe, split, seed, options)
    trainer.check()
    description = describe(recipe, split, seed, partition, options)
    if resume:
        check_same(run, description)
    elif run.folder.exists() and any(run.folder.iterdir()):
        raise RunError(f"{run.folder}: not empty; use --resume to go on, or another --out")
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    if not resume:
        _write_description(run, description)
        write_split(run.split, split)
    model: Any = None
    for index in range(len(recipe.stages)):
        previous = model

        def start(fresh: Any, previous: Any = previous) -> None:
            if previous is not None:
                fresh.set_weights(previous.get_weights())
            else:
                trainer.load_start(fresh)

        model = trainer.stage(index, start)
    _finish(model, trainer, description)
    training_curves(run.log, run.curves)
    return run


def _finish(trained: Any, trainer: Trainer, description: dict[str, Any]) -> None:
    """Fold class prior and temperature into the logits of a float32 model, then save it."""
    run, split = trainer.run, trainer.split
    size = trained.inputs[0].shape[1]
    model = trainer.network(size)
    model.set_weights(trained.get_weights())
    reading = trainer.reading()
    logits = reading(outputs_on(whole(model), split.validation, size)[0])
    calibration = fit_calibration(logits, split.validation.labels(), lesion_prior(split.train))
    fold(model.get_layer("logits"), reading, calibration)
    _write_description(run, {**description, "calibration": asdict(calibration)})
    # Last and whole: a run is finished when its model is there.
    save(model, run.model)


def _write_description(run: Run, description: dict[str, Any]) -> None:
    write_whole(run.description, (json.dumps(description, indent=2) + "\n").encode())
