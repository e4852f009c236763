"""Does the input pipeline keep up with the network? Images a second, apart and together.

    python -m skinedge.benchmarks.training_throughput edge --data ham10000/

- input: batches drawn, read, augmented and mixed, by the workers that training uses;
- step: one prepared batch trained on again and again;
- together: what training reaches.
Together should come close to the smaller of the two; on a GPU, where the step is fast, the input
is what to watch. Means over steps after warm-up; on a GPU the first step compiles.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras

from skinedge.benchmarks.command import as_command
from skinedge.cores import usable_cores
from skinedge.errors import UsageError
from skinedge.train.batches import TrainingBatches
from skinedge.train.datasets import LabelledImages, open_dataset
from skinedge.train.losses import build_loss
from skinedge.train.partition import Partition
from skinedge.train.recipes import RECIPES, Recipe
from skinedge.train.schedule import optimizer
from skinedge.train.zoo.build import build

__all__ = ["Throughput", "throughput"]

WARM_UP = 8  # more than the workers queue


@dataclass(frozen=True)
class Throughput:
    """Images a second.

    Attributes:
        recipe: its name.
        input_size: of its last stage, pixels.
        batch_size: images a step.
        backend: of Keras.
        cores: of the machine.
        input: of the pipeline alone.
        step: of the network alone.
        together: of training.
    """

    recipe: str
    input_size: int
    batch_size: int
    backend: str
    cores: int
    input: float
    step: float
    together: float


class _Clock(keras.callbacks.Callback):
    """Seconds between the ends of consecutive steps."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.ends.append(time.perf_counter())

    def seconds(self) -> float:
        """Mean over all steps after warm-up: batches that were queued before make some steps
        instant, and a median would see only those."""
        return (self.ends[-1] - self.ends[WARM_UP]) / (len(self.ends) - 1 - WARM_UP)


def _fit(model: Any, batches: Any) -> float:
    clock = _Clock()
    model.fit(batches, epochs=1, shuffle=False, verbose=0, callbacks=[clock])
    return clock.seconds()


class _Same(keras.utils.PyDataset):
    """One batch over and over."""

    def __init__(self, batch: Any, steps: int) -> None:
        super().__init__()
        self._batch, self._steps = batch, steps

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> Any:
        return self._batch


def throughput(recipe: Recipe, train: LabelledImages, steps: int) -> Throughput:
    """Measure a recipe's last stage on this machine, over `steps` steps each way."""
    stage = recipe.stages[-1]
    recipe = replace(recipe, images_per_epoch=steps * recipe.batch_size)
    batches = TrainingBatches(train, recipe, stage.input_size, seed=0)
    model = build(recipe.spec_at(stage), keras)
    trained = keras.Model(model.inputs, model.outputs[0])
    trained.compile(
        optimizer=optimizer(recipe, stage, steps),
        loss=build_loss(recipe.loss, batches.prior.tolist(), batches.counts.tolist()),
        jit_compile=keras.backend.backend() == "jax",
    )
    together = _fit(trained, batches)
    alone = _fit(trained, _Same(batches[0], steps))

    # As many threads as feed training, and nothing that waits for them.
    began = time.perf_counter()
    with ThreadPoolExecutor(batches.workers) as workers:
        list(workers.map(batches.__getitem__, range(steps)))
    drawn = (time.perf_counter() - began) / steps
    count = recipe.batch_size
    return Throughput(
        recipe.name,
        stage.input_size,
        count,
        keras.backend.backend(),
        usable_cores(),
        count / drawn,
        count / alone,
        count / together,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.recipe not in RECIPES:
        raise UsageError(f"unknown recipe {arguments.recipe!r}; there are: {', '.join(RECIPES)}")
    if arguments.steps <= WARM_UP + 1:
        raise UsageError(f"--steps {arguments.steps}: give more than {WARM_UP + 1}")
    recipe = RECIPES[arguments.recipe]
    train = Partition(recipe.task)(open_dataset(arguments.data)).train
    found = throughput(recipe, train, arguments.steps)
    if arguments.json:
        print(json.dumps(asdict(found)))
    else:
        print(
            f"{found.recipe}, {found.input_size} px, batch {found.batch_size}, {found.backend}, "
            f"{found.cores} cores: input {found.input:.0f}, step {found.step:.0f}, "
            f"together {found.together:.0f} images/s"
        )


if __name__ == "__main__":
    as_command(main)
