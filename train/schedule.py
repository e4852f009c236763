"""Learning rates over a stage, and callbacks that a resumed run brings back to where they were."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import keras

from .recipes.recipe import Recipe, Stage

__all__ = [
    "early_stopping",
    "is_over",
    "learning_rate",
    "logged_scores",
    "optimizer",
    "plateau",
]


def learning_rate(stage: Stage, steps_per_epoch: int) -> Any:
    """A Keras schedule for `cosine` (Loshchilov & Hutter 2017, arXiv 1608.03983, without
    restarts), the peak itself for `plateau` and `constant`."""
    if stage.schedule != "cosine":
        return stage.learning_rate
    warm_up = round(stage.warm_up * steps_per_epoch)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=stage.learning_rate / 20,
        warmup_target=stage.learning_rate,
        warmup_steps=warm_up,
        decay_steps=max(1, stage.epochs * steps_per_epoch - warm_up),
        alpha=stage.final_learning_rate / stage.learning_rate,
    )


def optimizer(recipe: Recipe, stage: Stage, steps_per_epoch: int) -> Any:
    """The optimizer of a stage; it averages weights where the stage asks for it."""
    kinds = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}
    return kinds[recipe.optimizer](
        learning_rate(stage, steps_per_epoch),
        weight_decay=recipe.weight_decay or None,
        epsilon=recipe.epsilon,
        use_ema=stage.ema_momentum > 0,
        ema_momentum=stage.ema_momentum or 0.99,
    )


def logged_scores(log: Path, stage: int, monitor: str) -> list[float]:
    """The monitored values that an interrupted stage has already logged, by epoch."""
    if not log.is_file():
        return []
    with open(log, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if int(row["stage"]) == stage]
    by_epoch = {int(row["epoch"]): float(row[monitor]) for row in rows}
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]


def is_over(stage: Stage, recipe: Recipe, scores: list[float]) -> bool:
    """Whether a stage with these logged scores has had its epochs, or lost its patience."""
    if not scores:
        return False
    since_best = len(scores) - 1 - scores.index(max(scores))
    return len(scores) >= stage.epochs or since_best >= recipe.patience


class _Resumed(keras.callbacks.Callback):
    """Replays logged epochs into a callback that Keras would start from nothing."""

    _before: list[float]

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        super().on_train_begin(logs)
        for epoch, value in enumerate(self._before):
            self.on_epoch_end(epoch, {self.monitor: value})


class _EarlyStopping(_Resumed, keras.callbacks.EarlyStopping):
    pass


class _Plateau(_Resumed, keras.callbacks.ReduceLROnPlateau):
    pass


def early_stopping(recipe: Recipe, monitor: str, before: list[float]) -> Any:
    """Stop after `recipe.patience` epochs without a rise, counting those logged `before`."""
    callback = _EarlyStopping(monitor=monitor, mode="max", patience=recipe.patience)
    callback._before = before
    return callback


def plateau(stage: Stage, monitor: str, before: list[float]) -> Any:
    """Lower the rate where the score stands still, counting epochs logged `before`."""
    callback = _Plateau(
        monitor=monitor,
        mode="max",
        factor=1 / stage.plateau_factor,
        patience=stage.plateau_patience,
        min_lr=stage.final_learning_rate,
        min_delta=0.0,
    )
    callback._before = before
    return callback
