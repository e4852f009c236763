"""Train a recipe: stages, checkpoints every epoch, resume, early stopping, a CSV log.

A run folder holds `run.json` (recipe, seed, split digest, calibration, versions), `split.csv`,
`log.csv`, `curves.png`, `model.keras` (the best epoch of the last stage, calibrated; outputs
logits and map), and while it trains `checkpoints/`. A resumed run draws the same batches an
unbroken one would.
"""

from __future__ import annotations

import csv
import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from skinedge.errors import RunError

from .batches import TrainingBatches, lesion_prior, load_pixels, normalise
from .calibrate import fit_calibration, fold
from .datasets.images import LabelledImages
from .datasets.splits import Split, write_split
from .losses import LogitAdjusted
from .metrics import balanced_accuracy, macro_auroc
from .plots import training_curves
from .recipes.recipe import Recipe, Stage
from .runs import Run, outputs_on
from .zoo.build import build
from .zoo.weights import imagenet_file, load_imagenet

__all__ = ["train"]

MONITOR = "val_score"
VALIDATION_COLUMNS = ("val_loss", "val_balanced_accuracy", "val_macro_auroc", MONITOR)


class _BeginEpoch(keras.callbacks.Callback):
    """Makes what an epoch draws depend on seed and epoch alone, not on the epochs before it.

    Keras saves no state of dropout's random generator, so a resumed run would drop others.
    """

    def __init__(self, batches: TrainingBatches, seed: int) -> None:
        super().__init__()
        self._batches, self._seed = batches, seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._batches.epoch = epoch
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.seed_generator.state.assign(np.array([self._seed, epoch], np.uint32))


class _Averaged(keras.callbacks.Callback):
    """Puts the optimizer's averaged weights into the model at the end of an epoch.

    Keras' SwapEMAWeights does the same but lets two variables share one array, which JAX then
    deletes under one of them (Keras 3.15, JAX 0.10).
    """

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        optimizer, own = self.model.optimizer, self.model.trainable_variables
        averages = optimizer._model_variables_moving_average
        self._own = [keras.ops.convert_to_numpy(variable) for variable in own]
        for variable, average in zip(own, averages, strict=True):
            variable.assign(keras.ops.convert_to_numpy(average))

    def put_back(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Undo it."""
        for variable, value in zip(self.model.trainable_variables, self._own, strict=True):
            variable.assign(value)


class _Validate(keras.callbacks.Callback):
    """Adds validation metrics to the epoch's logs, for every callback after it.

    The network's logits answer for equally common classes (`LogitAdjusted`). That is what
    balanced accuracy asks for; AUROC ranks images drawn as they come, so there the classes'
    natural log prior is added back.
    """

    def __init__(self, data: LabelledImages, prior: np.ndarray, size: int, batch_size: int) -> None:
        super().__init__()
        self._input = normalise(load_pixels(data.images, size))
        self._labels = data.labels()
        self._log_prior = np.log(prior)
        self._batch_size = batch_size

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logits = self.model.predict(self._input, batch_size=self._batch_size, verbose=0)
        natural = softmax(logits + self._log_prior, axis=1)
        picked = natural[np.arange(len(self._labels)), self._labels]
        if logs is None:
            return
        if not np.isfinite(logits).all():  # TerminateOnNaN ends the stage; no epoch was better
            logs.update(dict.fromkeys(VALIDATION_COLUMNS, float("-inf")))
        else:
            logs["val_loss"] = float(-np.log(np.maximum(picked, 1e-12)).mean())
            balanced = balanced_accuracy(self._labels, logits)
            ranking = macro_auroc(self._labels, natural)
            logs["val_balanced_accuracy"] = balanced
            logs["val_macro_auroc"] = ranking
            # Each alone is noisy where a class has ten lesions, and prefers other epochs.
            logs[MONITOR] = (balanced + ranking) / 2


def _schedule(stage: Stage, steps_per_epoch: int) -> Any:
    warm_up = steps_per_epoch // 2
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=stage.learning_rate / 20,
        warmup_target=stage.learning_rate,
        warmup_steps=warm_up,
        decay_steps=max(1, stage.epochs * steps_per_epoch - warm_up),
        alpha=stage.final_learning_rate / stage.learning_rate,
    )


def _logged(log: Path, stage: int) -> list[float]:
    """The monitored values that an interrupted stage has already logged."""
    if not log.is_file():
        return []
    with open(log, newline="", encoding="utf-8") as file:
        return [float(row[MONITOR]) for row in csv.DictReader(file) if int(row["stage"]) == stage]


class _StageLog(keras.callbacks.CSVLogger):
    """CSV log with the stage and its input size in every line."""

    def __init__(self, path: Path, index: int, size: int) -> None:
        super().__init__(str(path), append=True)
        self._columns = {"stage": index, "input_size": size}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        super().on_epoch_end(epoch, {**self._columns, **(logs or {})})


def _fit_stage(run: Run, recipe: Recipe, index: int, split: Split, seed: int, start: Any) -> Any:
    """Train one stage and return the model of its best epoch; `start` sets initial weights."""
    stage = recipe.stages[index]
    keras.utils.set_random_seed(seed + index)
    model = build(recipe.spec_at(stage), keras)
    start(model)
    best = run.stage_weights(index)
    if best.is_file():
        model.load_weights(best)
        return model
    batches = TrainingBatches(split.train, recipe, stage.input_size, seed)
    trained = keras.Model(model.inputs, model.outputs[0])
    trained.compile(
        optimizer=keras.optimizers.AdamW(
            _schedule(stage, len(batches)),
            weight_decay=recipe.weight_decay,
            use_ema=stage.ema_momentum > 0,
            ema_momentum=stage.ema_momentum or 0.99,
        ),
        loss=LogitAdjusted(batches.prior.tolist(), recipe.label_smoothing),
        jit_compile=keras.backend.backend() == "jax",
    )
    logged = _logged(run.log, index)
    candidate = run.checkpoints / f"stage{index}-best.weights.h5"
    averaged = _Averaged() if stage.ema_momentum else None
    callbacks = [
        _BeginEpoch(batches, seed),
        *([averaged] if averaged else []),
        _Validate(split.validation, lesion_prior(split.train), stage.input_size, recipe.batch_size),
        keras.callbacks.ModelCheckpoint(
            str(candidate),
            monitor=MONITOR,
            mode="max",
            save_best_only=True,
            save_weights_only=True,
            initial_value_threshold=max(logged) if logged else None,
        ),
        keras.callbacks.EarlyStopping(monitor=MONITOR, mode="max", patience=recipe.patience),
        _StageLog(run.log, index, stage.input_size),
        keras.callbacks.TerminateOnNaN(),
    ]
    if averaged:
        # Back to the weights that train before they are backed up: a resumed run starts with
        # them, and the average beside them.
        callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=averaged.put_back))
    callbacks.append(keras.callbacks.BackupAndRestore(str(run.checkpoints / f"stage{index}")))
    trained.fit(
        batches,
        epochs=stage.epochs,
        shuffle=False,  # draws are random already, and must not depend on a resumed run's past
        verbose=1 if sys.stdout.isatty() else 2,
        callbacks=callbacks,
    )
    if not candidate.is_file():
        raise RunError(f"{run.folder}: stage {index} never produced a finite validation metric")
    trained.load_weights(candidate)
    temporary = best.with_name(f"{best.stem}-partial.weights.h5")
    model.save_weights(temporary)
    temporary.replace(best)
    return model


def _describe(recipe: Recipe, seed: int, imagenet: bool, split: Split) -> dict[str, Any]:
    return {
        "recipe": asdict(recipe),
        "recipe_sha256": recipe.digest(),
        "seed": seed,
        "start": "imagenet" if imagenet else "random",
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
    imagenet: bool = True,
) -> Run:
    """Train `recipe` on `split` into the run folder `out`.

    Args:
        recipe: what to train.
        split: parts of one dataset, from `split_by_lesion`.
        out: the run folder; must be new or empty unless `resume`.
        seed: of initial weights, batches and dropout.
        resume: go on where a killed run stopped; its recipe, seed and split must be the same.
        imagenet: start from ImageNet weights, else from random ones.

    Raises:
        RunError: the folder is in the way, or belongs to another recipe, seed or split.
        UsageError: the recipe's spec names what does not exist.
        ModelFileError: the ImageNet weights are not installed.
    """
    run = Run(out)
    description = _describe(recipe, seed, imagenet, split)
    # What can be wrong with the recipe is found before anything is written.
    build(recipe.spec_at(recipe.stages[0]), keras)
    if imagenet:
        imagenet_file(recipe.spec.backbone)
    if resume:
        before = run.describe()
        for key in ("recipe_sha256", "seed", "start", "split_sha256"):
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
            elif imagenet:
                load_imagenet(fresh, recipe.spec.backbone)

        model = _fit_stage(run, recipe, index, split, seed, start)
    _calibrate(model, run, description, split)
    training_curves(run.log, run.curves)
    return run


def _calibrate(model: Any, run: Run, description: dict[str, Any], split: Split) -> None:
    """Fold class prior and temperature into the logits, then save the model."""
    size = model.inputs[0].shape[1]
    prior = lesion_prior(split.train)
    logits = outputs_on(model, split.validation, size)[0]
    calibration = fit_calibration(logits, split.validation.labels(), prior)
    fold(model.get_layer("logits"), calibration, prior)
    text = json.dumps({**description, "calibration": asdict(calibration)}, indent=2) + "\n"
    run.description.write_text(text, encoding="utf-8")
    # Last and whole: a run is finished when its model is there.
    partial = run.folder / f"partial-{run.model.name}"
    model.save(partial)
    partial.replace(run.model)
