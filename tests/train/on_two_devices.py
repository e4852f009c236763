"""Run by test_devices.py in a process of its own: one tiny stage on JAX, on all its devices.

KERAS_BACKEND=jax python on_two_devices.py HAM10000 RUN DEVICES
"""

from __future__ import annotations

import sys
from dataclasses import replace

import keras
from tiny import TINY

from skinedge.train import fit, runs
from skinedge.train.datasets import open_dataset
from skinedge.train.devices import share_batches
from skinedge.train.partition import Partition


def main(data: str, out: str, expected: int) -> None:
    recipe = replace(TINY, stages=(replace(TINY.stages[1], input_size=32, learning_rate=1e-4),))
    recipe = replace(recipe, spec=replace(recipe.spec, input_size=32, dropout=0.0))
    if expected > 1:
        assert share_batches(recipe.batch_size) == expected
    assert len(keras.distribution.list_devices()) == expected
    split = Partition()(open_dataset(data))
    run = fit.train(recipe, split, out, seed=1)
    odd = split.test.having(split.test.images[:5])  # does not divide among two devices
    assert len(runs.ask_keras(runs.load(run), odd).probabilities) == 5


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
