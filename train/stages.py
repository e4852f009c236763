"""Train the stages of a run, one by one: each ends with the weights of its best epoch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

from skinedge.errors import ImageError, RunError

from .backup import Backup, backed_up_epochs, save_weights
from .batches import TrainingBatches
from .calibrate import EqualPrior
from .callbacks import MONITOR, Averaged, BeginEpoch, KeepBest, StageLog, Validate
from .datasets.splits import Split
from .description import Options
from .devices import own_share, whole
from .distill import Distilled, MapTransfer, with_teachers
from .losses import build_loss, equal_prior
from .recipes.recipe import Recipe, Stage
from .runs import Run, load_equal_prior
from .schedule import early_stopping, is_over, logged_scores, optimizer, plateau
from .start import fresh_network, load_start

__all__ = ["Trainer"]


@contextmanager
def _computing_in(precision: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def _naming_images(batches: TrainingBatches) -> Iterator[None]:
    """An image that cannot be read ends training as itself, whatever Keras makes of it."""
    try:
        yield
    except Exception as error:
        failure = error if isinstance(error, ImageError) else batches.failure
        if failure is None:
            raise
        raise ImageError(f"{failure}; mend it, then go on with --resume") from error


def _freeze_backbone(model: Any) -> None:
    """Leave the attention blocks and the last layer to train."""
    for layer in model.layers:
        layer.trainable = layer.name == "logits" or layer.name.startswith("attention")


@dataclass(frozen=True)
class Trainer:
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
            model = self.network(stage.input_size)
        start(model)
        best = self.run.stage_weights(index)
        if best.is_file():
            model.load_weights(best)
            return model
        if stage.trains == "head":
            _freeze_backbone(model)
        batches = TrainingBatches(
            self.split.train, self.recipe, stage.input_size, self.seed, self.options.workers, index
        )
        with _naming_images(batches):
            candidate = self._fit(index, stage, model, batches)
        model.load_weights(candidate)
        save_weights(model, best)
        return model

    def check(self) -> None:
        """Find out now what the first stage would stumble over."""
        model, *_ = [self.network(stage.input_size) for stage in self.recipe.stages]
        self.load_start(model)
        batches = TrainingBatches(self.split.train, self.recipe, 32, self.seed)
        build_loss(self.recipe.loss, batches.prior.tolist(), batches.counts.tolist())

    def network(self, input_size: int) -> Any:
        """A fresh network for this input size; see `start.fresh_network`."""
        return fresh_network(replace(self.recipe.spec, input_size=input_size), self.options)

    def load_start(self, model: Any) -> None:
        """Give the first stage's network its first weights; see `start.load_start`."""
        load_start(model, self.recipe, self.options, self.split, self.reading())

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
        teachers = [load_equal_prior(Run(folder), self.split) for folder in self.options.teachers]
        # A gate and a softmax over positions are not on one scale: like is compared with like.
        blocks = [placed.block for placed in self.recipe.spec.attention]
        taught = [Run(folder).describe()["recipe"]["spec"] for folder in self.options.teachers]
        alike = all([one["block"] for one in spec["attention"]] == blocks for spec in taught)
        trained = with_teachers(model, teachers, maps=alike and how.map_weight > 0)
        losses = {
            "answers": Distilled(loss, how.share, how.temperature, self.reading()),
            "maps": MapTransfer(),
        }
        weights = {"answers": 1.0, "maps": how.map_weight}
        return trained, *({k: of[k] for k in trained.output} for of in (losses, weights))

    def _fit(self, index: int, stage: Stage, model: Any, batches: TrainingBatches) -> Path:
        """Train and return the file of the best epoch's weights."""
        run, recipe = self.run, self.recipe
        trained, losses, weights = self._objective(model, batches)
        batches.outputs = tuple(losses) if isinstance(losses, dict) else ()
        trained.compile(
            optimizer=optimizer(recipe, stage, len(batches)),
            loss=losses,
            loss_weights=weights,
            jit_compile=keras.backend.backend() == "jax",
        )
        # Else JAX and torch build from a batch of the queue, and hand what the queue has drawn by
        # then to the first epoch, whichever that is (PyDatasetEnqueuer.stop): a resumed run would
        # see other batches than an unbroken one. And TensorFlow traces the step twice, once to
        # make the optimizer's variables.
        trained._symbolic_build(data_batch=batches[0])
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
                whole(keras.Model(model.inputs, model.outputs[0])),
                self.split.validation,
                self.split.train,
                self.reading(),
                recipe.batch_size,
            ),
            KeepBest(model, candidate, max(before, default=float("-inf"))),
            early_stopping(recipe, MONITOR, before),
            *([plateau(stage, MONITOR, before)] if stage.schedule == "plateau" else []),
            StageLog(run.log, index, stage.input_size),
            keras.callbacks.TerminateOnNaN(),
        ]
        if averaged:
            # Back to the weights that train before they are backed up: a resumed run starts with
            # them, and the average beside them.
            callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=averaged.put_back))
        callbacks.append(Backup(str(backup)))
        trained.fit(
            own_share(batches),
            epochs=stage.epochs,
            shuffle=False,  # draws are random already, and must not depend on a resumed run's past
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=callbacks,
        )
        if not candidate.is_file():
            raise RunError(f"{run.folder}: stage {index} never produced a finite validation metric")
        return candidate
