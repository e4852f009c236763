"""Run by test_start.py in a process of its own: going on from a run, and from a kill.

KERAS_BACKEND=jax python on_backend.py HAM10000 FOLDER
"""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from killed import Killed, kill_after
from thin import RANDOM, THIN, thin_backbone

from skinedge.train import fit, runs
from skinedge.train.datasets import open_dataset, split_by_lesion
from skinedge.train.recipes import Loss
from skinedge.train.stages import Trainer
from skinedge.train.zoo.build import build


def main(data: str, out: Path) -> None:
    stage = replace(THIN.stages[1], input_size=32)
    spec = replace(THIN.spec, input_size=32)
    recipe = replace(THIN, spec=spec, stages=(stage,), images_per_epoch=32)
    split = split_by_lesion(open_dataset(data), seed=1)
    short = replace(recipe, stages=(replace(stage, epochs=1),))
    first = fit.train(short, split, out / "first", seed=1, options=RANDOM)

    recipe = replace(recipe, loss=Loss("ldam"))
    options = fit.Options(str(first.folder), teachers=(first.folder,))
    model, trainer = build(recipe.spec, keras), Trainer(first, recipe, split, 1, options)
    trainer.load_start(model)
    for ours, theirs in zip(model.layers, runs.load(first).layers, strict=True):
        if ours.name != "logits":
            for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
                np.testing.assert_array_equal(one, other)

    unbroken = fit.train(recipe, split, out / "unbroken", 1, options=options)
    assert unbroken.describe()["start"].startswith("run ")
    with pytest.MonkeyPatch.context() as patch:
        kill_after(1, patch)
        with pytest.raises(Killed):
            fit.train(recipe, split, out / "resumed", 1, options=options)
    resumed = fit.train(recipe, split, out / "resumed", 1, True, options=options)
    rows = [list(csv.DictReader(run.log.open(newline=""))) for run in (unbroken, resumed)]
    assert rows[0] == rows[1]
    pair = (runs.load(run).get_weights() for run in (unbroken, resumed))
    for ours, theirs in zip(*pair, strict=True):
        np.testing.assert_array_equal(ours, theirs)


if __name__ == "__main__":
    with thin_backbone():
        main(sys.argv[1], Path(sys.argv[2]))
