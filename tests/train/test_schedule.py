"""Learning rates, and callbacks that go on after a kill where they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny import TINY

from skinedge.train.recipes import Stage
from skinedge.train.schedule import (
    early_stopping,
    is_over,
    learning_rate,
    logged_scores,
    optimizer,
    plateau,
)

COSINE = Stage(32, epochs=10, learning_rate=1e-3, final_learning_rate=1e-5, warm_up=1.0)
PLATEAU = replace(COSINE, schedule="plateau", plateau_factor=10.0, plateau_patience=2)


def rates(stage: Stage, steps: int) -> np.ndarray:
    schedule = learning_rate(stage, steps)
    return np.array([float(schedule(step)) for step in range(stage.epochs * steps + 1)])


def test_cosine_climbs_for_the_warm_up_and_ends_where_it_should() -> None:
    curve = rates(COSINE, steps=20)
    assert curve.argmax() == 20
    assert curve.max() == pytest.approx(1e-3, rel=1e-5)
    assert (np.diff(curve[:21]) > 0).all()
    assert (np.diff(curve[20:]) < 0).all()
    assert curve[-1] == pytest.approx(1e-5, rel=1e-3)
    middle = curve[20 + 90]  # half of the cosine lies between its ends
    assert middle == pytest.approx((1e-3 + 1e-5) / 2, rel=1e-2)


def test_constant_stays() -> None:
    assert learning_rate(replace(COSINE, schedule="constant"), 20) == 1e-3


def model() -> Any:
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    network.compile(optimizer=optimizer(replace(TINY, optimizer="adam"), PLATEAU, 5), loss="mse")
    return network


def followed(callback: Any, scores: list[float]) -> Any:
    callback.set_model(model())
    callback.on_train_begin()
    for epoch, score in enumerate(scores, len(callback._before)):
        callback.on_epoch_end(epoch, {"val_score": score})
    return callback


SCORES = [0.5, 0.6, 0.55, 0.58, 0.59, 0.57]


@pytest.mark.parametrize("killed_after", range(len(SCORES)))
def test_a_plateau_is_found_across_a_kill(killed_after: int) -> None:
    unbroken = followed(plateau(PLATEAU, "val_score", []), SCORES)
    resumed = followed(plateau(PLATEAU, "val_score", SCORES[:killed_after]), SCORES[killed_after:])
    rate = float(unbroken.model.optimizer.learning_rate)
    assert rate == pytest.approx(1e-5)  # twice lowered, from 1e-3
    assert float(resumed.model.optimizer.learning_rate) == pytest.approx(rate)
    assert resumed.wait == unbroken.wait


@pytest.mark.parametrize("killed_after", range(4))
def test_patience_counts_epochs_before_a_kill(killed_after: int) -> None:
    recipe = replace(TINY, patience=3)
    stopping = followed(
        early_stopping(recipe, "val_score", SCORES[:killed_after]), SCORES[killed_after:4]
    )
    assert not stopping.model.stop_training
    assert stopping.wait == 2
    stopping.on_epoch_end(4, {"val_score": SCORES[4]})
    assert stopping.model.stop_training


def test_a_stage_is_over_after_its_epochs_or_its_patience() -> None:
    recipe = replace(TINY, patience=2)
    stage = replace(COSINE, epochs=4)
    assert not is_over(stage, recipe, [])
    assert not is_over(stage, recipe, [0.5, 0.4])
    assert is_over(stage, recipe, [0.5, 0.4, 0.4])
    assert is_over(stage, recipe, [0.1, 0.2, 0.3, 0.4])


def test_logged_scores_are_those_of_the_stage(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    assert logged_scores(log, 0, "val_score") == []
    log.write_text("epoch,stage,val_score\n0,0,0.1\n1,0,0.2\n0,1,0.3\n1,1,0.4\n1,1,0.5\n")
    assert logged_scores(log, 0, "val_score") == [0.1, 0.2]
    # An epoch that was logged but not backed up before a kill was trained again.
    assert logged_scores(log, 1, "val_score") == [0.3, 0.5]
