"""What training does at the edges of an epoch, so that a killed run resumes as if it never was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from .backup import save_weights
from .batches import TrainingBatches, lesion_prior, load_pixels, normalise
from .calibrate import EqualPrior
from .datasets.images import LabelledImages
from .devices import measured_by_the_first
from .metrics import balanced_accuracy, macro_auroc
from .predicting import outputs_of

__all__ = ["MONITOR", "Averaged", "BeginEpoch", "KeepBest", "StageLog", "Validate"]

MONITOR = "val_score"
VALIDATION_COLUMNS = ("val_loss", "val_balanced_accuracy", "val_macro_auroc", MONITOR)


class BeginEpoch(keras.callbacks.Callback):
    """Makes what an epoch draws depend on seed, stage and epoch alone, not on what was before.

    Keras saves no state of dropout's random generator, so a resumed run would drop others.
    """

    def __init__(self, batches: TrainingBatches, seed: int) -> None:
        super().__init__()
        self._batches, self._seed = batches, seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._batches.epoch = epoch
        for index, layer in enumerate(self.model.layers):
            if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
                seeds = np.random.SeedSequence((self._seed, self._batches.stage, epoch, index))
                layer.seed_generator.state.assign(seeds.generate_state(2, np.uint32))


class Averaged(keras.callbacks.Callback):
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


class Validate(keras.callbacks.Callback):
    """Adds validation metrics to the epoch's logs, for every callback after it.

    Balanced accuracy is that of logits that answer for equally common classes; AUROC ranks images
    drawn as they come, so there the classes' natural log prior is added back.

    Args:
        classifier: pixels -> logits, sharing its weights with what is trained.
        data: the validation split; held in memory as uint8.
        train: the training split; says how common classes are.
        equal_prior: how the logits are brought to equal class priors.
        batch_size: of prediction.
    """

    def __init__(
        self,
        classifier: Any,
        data: LabelledImages,
        train: LabelledImages,
        equal_prior: EqualPrior,
        batch_size: int,
    ) -> None:
        super().__init__()
        self._classifier = classifier
        self._pixels = load_pixels(data.images, classifier.inputs[0].shape[1])
        self._labels = data.labels()
        self._log_prior = np.log(lesion_prior(train))
        self._equal_prior = equal_prior
        self._batch_size = batch_size

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        answers = outputs_of(self._classifier, self._pixels, self._batch_size, normalise)
        logits = self._equal_prior(answers[0])
        natural = softmax(logits + self._log_prior, axis=1)
        picked = natural[np.arange(len(self._labels)), self._labels]
        if logs is None:
            return
        # If not finite, TerminateOnNaN ends the stage; no epoch was better.
        figures = dict.fromkeys(VALIDATION_COLUMNS, float("-inf"))
        if np.isfinite(logits).all():
            figures["val_loss"] = float(-np.log(np.maximum(picked, 1e-12)).mean())
            balanced = balanced_accuracy(self._labels, logits)
            ranking = macro_auroc(self._labels, natural)
            figures["val_balanced_accuracy"] = balanced
            figures["val_macro_auroc"] = ranking
            # Each alone is noisy where a class has ten lesions, and prefers other epochs.
            figures[MONITOR] = (balanced + ranking) / 2
        logs.update(measured_by_the_first(figures))


class KeepBest(keras.callbacks.Callback):
    """Saves the network, without teachers, whenever the validation score rises."""

    def __init__(self, network: Any, path: Path, before: float) -> None:
        super().__init__()
        self._network, self._path, self._best = network, path, before

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        score = (logs or {}).get(MONITOR, float("-inf"))
        if score > self._best:
            self._best = score
            save_weights(self._network, self._path)


class StageLog(keras.callbacks.CSVLogger):
    """CSV log with the stage and its input size in every line, and only columns all stages have."""

    def __init__(self, path: Path, index: int, size: int) -> None:
        super().__init__(str(path), append=True)
        self._columns = {"stage": index, "input_size": size}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        kept = {key: logs[key] for key in ("loss", *VALIDATION_COLUMNS) if key in logs}
        super().on_epoch_end(epoch, {**self._columns, **kept})
