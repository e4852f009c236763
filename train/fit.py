"""Train a recipe: stages, checkpoints every epoch, resume, early stopping, a CSV log.

A run folder holds `run.json` (recipe, seed, split digest, calibration, versions), `split.csv`,
`log.csv`, `curves.png`, `model.keras` (the best epoch of the last stage, calibrated; outputs
logits and map), and while it trains `checkpoints/`. A resumed run draws the same batches an
unbroken one would.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from skinedge.errors import RunError, UsageError

from .batches import TrainingBatches, lesion_prior
from .calibrate import EqualPrior, fit_calibration, fold
from .callbacks import MONITOR, Averaged, BeginEpoch, StageLog, Validate
from .datasets.splits import Split, write_split
from .distill import Distillation, Distilled, MapTransfer, with_teachers
from .losses import build_loss, equal_prior
from .partition import Partition
from .plots import training_curves
from .recipes.recipe import Recipe, Stage
from .runs import Run, load_teacher, outputs_on
from .schedule import (
    backed_up_epochs,
    early_stopping,
    is_over,
    logged_scores,
    optimizer,
    plateau,
)
from .zoo.build import build
from .zoo.weights import load_imagenet

__all__ = ["Options", "train"]

# What of a run's description must not change between a start and a resume.
IDENTITY = (
    "recipe_sha256",
    "seed",
    "start",
    "split_sha256",
    "teachers",
    "distillation",
    "precision",
)


@dataclass(frozen=True)
class Options:
    """What a training run may vary beside its recipe, split and seed.

    Attributes:
        weights: where the backbone starts: `imagenet`, `none`, or a file of ImageNet weights.
        teachers: run folders to learn from.
        distillation: how much the teachers count.
        precision: `float32`, or `bfloat16` for computation with float32 weights.
    """

    weights: str = "imagenet"
    teachers: tuple[Path, ...] = ()
    distillation: Distillation = field(default_factory=Distillation)
    precision: str = "float32"


@contextmanager
def _computing_in(precision: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _freeze_backbone(model: Any) -> None:
    """Leave the attention blocks and the last layer to train."""
    for layer in model.layers:
        layer.trainable = layer.name == "logits" or layer.name.startswith("attention")


@dataclass(frozen=True)
class _Trainer:
    """What the stages of one run share."""

    run: Run
    recipe: Recipe
    split: Split
    seed: int
    options: Options

    def stage(self, index: int, start: Callable[[Any], None]) -> Any:
        """Train one stage and return the model of its best epoch; `start` sets initial weights."""
        stage = self.recipe.stages[index]
        keras.utils.set_random_seed(self.seed + index)
        with _computing_in(self.options.precision):
            model = build(self.recipe.spec_at(stage), keras)
        start(model)
        best = self.run.stage_weights(index)
        if best.is_file():
            model.load_weights(best)
            return model
        if stage.trains == "head":
            _freeze_backbone(model)
        candidate = self._fit(index, stage, model)
        model.load_weights(candidate)
        temporary = best.with_name(f"{best.stem}-partial.weights.h5")
        model.save_weights(temporary)
        temporary.replace(best)
        return model

    def check(self) -> None:
        """Find out now what the first stage would stumble over."""
        model = build(self.recipe.spec_at(self.recipe.stages[0]), keras)
        _load_start(model, self.recipe, self.options)
        batches = TrainingBatches(self.split.train, self.recipe, 32, self.seed)
        build_loss(self.recipe.loss, batches.prior.tolist(), batches.counts.tolist())

    def reading(self) -> EqualPrior:
        """How logits trained by this recipe are brought to equally common classes."""
        batches = TrainingBatches(self.split.train, self.recipe, 32, self.seed)
        return equal_prior(self.recipe.loss, batches.prior.tolist(), batches.counts.tolist())

    def _objective(self, model: Any, batches: TrainingBatches) -> tuple[Any, Any, Any]:
        """(model to compile, its losses, their weights)."""
        prior, counts = batches.prior.tolist(), batches.counts.tolist()
        loss = build_loss(self.recipe.loss, prior, counts)
        if not self.options.teachers:
            # The loss sees float32 whatever the network computes in.
            logits = keras.layers.Activation("linear", dtype="float32", name="answers")
            return keras.Model(model.inputs, logits(model.outputs[0])), loss, None
        how = self.options.distillation
        teachers = [load_teacher(Run(folder), self.split) for folder in self.options.teachers]
        trained, compares_maps = with_teachers(model, teachers)
        # A gate and a softmax over positions are not on one scale: like is compared with like.
        own = self.recipe.spec.attention
        compares_maps &= all(
            [placed["block"] for placed in Run(folder).describe()["recipe"]["spec"]["attention"]]
            == [placed.block for placed in own]
            for folder in self.options.teachers
        )
        reading = equal_prior(self.recipe.loss, prior, counts)
        losses = {"answers": Distilled(loss, how.share, how.temperature, reading)}
        weights = {"answers": 1.0}
        if compares_maps and how.map_weight > 0:
            losses["maps"], weights["maps"] = MapTransfer(), how.map_weight
        else:
            trained = keras.Model(trained.inputs, {"answers": trained.output["answers"]})
        return trained, losses, weights

    def _fit(self, index: int, stage: Stage, model: Any) -> Path:
        """Train and return the file of the best epoch's weights."""
        run, recipe = self.run, self.recipe
        batches = TrainingBatches(self.split.train, recipe, stage.input_size, self.seed)
        trained, losses, weights = self._objective(model, batches)
        batches.outputs = tuple(losses) if isinstance(losses, dict) else ()
        trained.compile(
            optimizer=optimizer(recipe, stage, len(batches)),
            loss=losses,
            loss_weights=weights,
            jit_compile=keras.backend.backend() == "jax",
        )
        before = logged_scores(run.log, index, MONITOR)
        candidate = run.checkpoints / f"stage{index}-best.weights.h5"
        if is_over(stage, recipe, before):  # killed between its last epoch and its end
            return candidate
        backup = run.checkpoints / f"stage{index}"
        before = before[: backed_up_epochs(backup)]
        averaged = Averaged() if stage.ema_momentum else None
        callbacks = [
            BeginEpoch(batches, self.seed),
            *([averaged] if averaged else []),
            Validate(
                keras.Model(model.inputs, model.outputs[0]),
                self.split.validation,
                self.split.train,
                self.reading(),
                recipe.batch_size,
            ),
            _KeepBest(model, candidate, max(before, default=float("-inf"))),
            early_stopping(recipe, MONITOR, before),
            *([plateau(stage, MONITOR, before)] if stage.schedule == "plateau" else []),
            StageLog(run.log, index, stage.input_size),
            keras.callbacks.TerminateOnNaN(),
        ]
        if averaged:
            # Back to the weights that train before they are backed up: a resumed run starts with
            # them, and the average beside them.
            callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=averaged.put_back))
        callbacks.append(keras.callbacks.BackupAndRestore(str(backup)))
        trained.fit(
            batches,
            epochs=stage.epochs,
            shuffle=False,  # draws are random already, and must not depend on a resumed run's past
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=callbacks,
        )
        if not candidate.is_file():
            raise RunError(f"{run.folder}: stage {index} never produced a finite validation metric")
        return candidate


class _KeepBest(keras.callbacks.Callback):
    """Saves the network, without teachers, whenever the validation score rises."""

    def __init__(self, network: Any, path: Path, before: float) -> None:
        super().__init__()
        self._network, self._path, self._best = network, path, before

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        score = (logs or {}).get(MONITOR, float("-inf"))
        if score > self._best:
            self._best = score
            self._network.save_weights(self._path, overwrite=True)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _start(weights: str) -> str:
    """For people and models' cards; a file by its digest."""
    named = {"none": "random", "imagenet": "imagenet"}
    return named.get(weights) or f"imagenet, file {_sha256(Path(weights))}"


def _load_start(model: Any, recipe: Recipe, options: Options) -> None:
    if options.weights != "none":
        file = None if options.weights == "imagenet" else Path(options.weights)
        load_imagenet(model, recipe.spec.backbone, file)


def _describe(
    recipe: Recipe, split: Split, seed: int, partition: Partition, options: Options
) -> dict[str, Any]:
    return {
        "recipe": asdict(recipe),
        "recipe_sha256": recipe.digest(),
        "seed": seed,
        "partition": asdict(partition),
        "start": _start(options.weights),
        "teachers": [_sha256(Run(teacher).model) for teacher in options.teachers],
        "distillation": asdict(options.distillation) if options.teachers else None,
        "precision": options.precision,
        "dataset": split.train.name,
        "split_sha256": split.digest(),
        "lesions": {
            name: len({i.lesion_id for i in p.images}) for name, p in split.parts().items()
        },
        "images": {name: len(part.images) for name, part in split.parts().items()},
        "versions": {
            "python": platform.python_version(),
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
            "numpy": np.__version__,
        },
    }


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
            teacher's split is another one.
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
        load_teacher(Run(teacher), split)
    description = _describe(recipe, split, seed, partition, options)
    trainer = _Trainer(run, recipe, split, seed, options)
    trainer.check()
    if resume:
        before = run.describe()
        for key in IDENTITY:
            if before.get(key) != description[key]:
                raise RunError(f"{run.folder}: cannot resume, {key} differs from this run's")
    elif run.folder.exists() and any(run.folder.iterdir()):
        raise RunError(f"{run.folder}: not empty; use --resume to go on, or another --out")
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    if not resume:
        run.description.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        write_split(run.split, split)
    model: Any = None
    for index in range(len(recipe.stages)):
        previous = model

        def start(fresh: Any, previous: Any = previous) -> None:
            if previous is not None:
                fresh.set_weights(previous.get_weights())
            else:
                _load_start(fresh, recipe, options)

        model = trainer.stage(index, start)
    _finish(model, trainer, description)
    training_curves(run.log, run.curves)
    return run


def _finish(trained: Any, trainer: _Trainer, description: dict[str, Any]) -> None:
    """Fold class prior and temperature into the logits of a float32 model, then save it."""
    run, split = trainer.run, trainer.split
    size = trained.inputs[0].shape[1]
    model = build(replace(trainer.recipe.spec, input_size=size), keras)
    model.set_weights(trained.get_weights())
    reading = trainer.reading()
    logits = reading(outputs_on(model, split.validation, size)[0])
    calibration = fit_calibration(logits, split.validation.labels(), lesion_prior(split.train))
    fold(model.get_layer("logits"), reading, calibration)
    text = json.dumps({**description, "calibration": asdict(calibration)}, indent=2) + "\n"
    run.description.write_text(text, encoding="utf-8")
    # Last and whole: a run is finished when its model is there.
    partial = run.folder / f"partial-{run.model.name}"
    model.save(partial)
    partial.replace(run.model)
