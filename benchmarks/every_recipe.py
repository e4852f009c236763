"""Does every recipe run end to end here? Build, train a little, save, load, export, compare.

    python -m skinedge.benchmarks.every_recipe --data ham10000/ --input-size 96

Each recipe trains two epochs on a small real subset (the same lesions for all, relabelled for the
recipe's task), is loaded from its file again, and its float TFLite must answer as Keras does
within 1e-4. Backbones whose ImageNet weights Keras would download start from random weights; two
epochs leave their answers nearly alike for all images, so these are compared a second time, with
the batch statistics of the compared images and last layers of unit spread. None of this says how
good a recipe is. Without --input-size the recipes' own sizes are taken, which on two cores is an
hour's work.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from scipy.special import softmax

from skinedge.benchmarks.attention_int8 import spread
from skinedge.benchmarks.backbones_int8 import set_batch_statistics
from skinedge.benchmarks.command import as_command
from skinedge.compress.quantize import float32_tflite
from skinedge.errors import SkinEdgeError
from skinedge.train import fit, runs
from skinedge.train.batches import load_pixels, normalise
from skinedge.train.datasets import LabelledImages, open_dataset
from skinedge.train.partition import Partition
from skinedge.train.predicting import outputs_of
from skinedge.train.recipes import RECIPES, Recipe
from skinedge.train.zoo.backbones import BACKBONES
from skinedge.train.zoo.build import build
from skinedge.train.zoo.cost import parameters

__all__ = ["Outcome", "shortened", "small_subset", "try_recipe"]

TOLERANCE = 1e-4
COMPARED = 16


@dataclass(frozen=True)
class Outcome:
    """What became of one recipe.

    Attributes:
        recipe: its name.
        input_size: it was tried at, pixels.
        parameters: of the whole network.
        start: `imagenet` or `none`.
        seconds: of training.
        reloaded: largest difference of logits between the saved file and its weights in a freshly
            built network.
        tflite: largest difference of probabilities or map between float TFLite and Keras.
        spread: largest minus smallest probability of one class over the images last compared:
            what those differences are to be seen against.
    """

    recipe: str
    input_size: int
    parameters: int
    start: str
    seconds: float
    reloaded: float
    tflite: float
    spread: float

    @property
    def passed(self) -> bool:
        return self.reloaded <= TOLERANCE and self.tflite <= TOLERANCE


def small_subset(data: LabelledImages, images: int) -> LabelledImages:
    """One image of each of the first lesions of every class, about `images` in all."""
    per_class = max(1, images // len(data.classes))
    taken: dict[int, set[str]] = {label: set() for label in range(len(data.classes))}
    chosen = []
    for image in data.images:
        lesions = taken[image.label]
        if len(lesions) < per_class and image.lesion_id not in lesions:
            lesions.add(image.lesion_id)
            chosen.append(image)
    return data.having(chosen)


def shortened(recipe: Recipe, images: int, input_size: int | None) -> Recipe:
    """The recipe with two epochs in all, over `images` images, at another size if one is given."""
    stages = recipe.stages[-2:]
    epochs = 2 // len(stages)
    stages = tuple(
        replace(stage, epochs=epochs, input_size=input_size or stage.input_size) for stage in stages
    )
    spec = replace(recipe.spec, input_size=stages[-1].input_size)
    batch = min(recipe.batch_size, 16)
    return replace(recipe, stages=stages, spec=spec, images_per_epoch=images, batch_size=batch)


def _tflite_outputs(flatbuffer: bytes, inputs: np.ndarray) -> list[np.ndarray]:
    interpreter = Interpreter(model_content=flatbuffer, num_threads=1)
    runner = interpreter.get_signature_runner()
    answers = [runner(pixels=one[np.newaxis]) for one in inputs]
    return [
        np.concatenate([answer[head] for answer in answers])
        for head in ("probabilities", "attention")
        if head in answers[0]
    ]


def _compared(model: Any, inputs: np.ndarray) -> tuple[float, float]:
    """Largest difference between float TFLite and Keras, and the spread of the probabilities."""
    logits, *maps = outputs_of(model, inputs)
    expected = [softmax(logits.astype(np.float64), axis=1), *maps]
    answered = _tflite_outputs(float32_tflite(model), inputs)
    pairs = zip(answered, expected, strict=True)
    difference = max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs)
    return difference, float(np.ptp(expected[0], axis=0).max())


def try_recipe(recipe: Recipe, data: LabelledImages, folder: Path, seed: int = 1) -> Outcome:
    """Take a recipe through every step; see `Outcome`."""
    partition = Partition(recipe.task, seed)
    split = partition(data)
    start = "imagenet" if BACKBONES[recipe.spec.backbone].weights_package else "none"
    began = time.perf_counter()
    run = fit.train(recipe, split, folder, seed, options=fit.Options(weights=start))
    seconds = time.perf_counter() - began
    model = runs.load(run)
    pixels = load_pixels(split.test.images[:COMPARED], model.inputs[0].shape[1])
    inputs = normalise(pixels)
    fresh = build(recipe.spec, keras)
    fresh.set_weights(model.get_weights())
    reloaded = np.abs(outputs_of(fresh, inputs)[0] - outputs_of(model, inputs)[0]).max()
    tflite, answers_spread = _compared(model, inputs)
    if start == "none":
        set_batch_statistics(model, pixels)
        spread(model, pixels, seed)
        stirred, answers_spread = _compared(model, inputs)
        tflite = max(tflite, stirred)
    return Outcome(
        recipe.name,
        recipe.spec.input_size,
        parameters(model),
        start,
        round(seconds, 1),
        float(reloaded),
        tflite,
        answers_spread,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipes", nargs="*", help="names; all if none is given")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=200, help="in the subset")
    parser.add_argument("--input-size", type=int, help="instead of each recipe's own")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    subset = small_subset(open_dataset(arguments.data), arguments.images)
    failed = False
    for name in arguments.recipes or RECIPES:
        recipe = shortened(RECIPES[name], len(subset.images), arguments.input_size)
        with tempfile.TemporaryDirectory() as folder:
            try:
                outcome = try_recipe(recipe, subset, Path(folder) / "run")
            except SkinEdgeError as error:
                failed = True
                print(f"{name}: {error}", file=sys.stderr)
                continue
        failed |= not outcome.passed
        if arguments.json:
            print(json.dumps({**asdict(outcome), "passed": outcome.passed}), flush=True)
        else:
            print(
                f"{name:26} {outcome.input_size:4} px  {outcome.parameters / 1e6:6.2f} M  "
                f"{outcome.start:8} {outcome.seconds:6.1f} s  reloaded {outcome.reloaded:.1e}  "
                f"TFLite {outcome.tflite:.1e} of {outcome.spread:.1e}  "
                f"{'ok' if outcome.passed else 'FAILED'}",
                flush=True,
            )
        keras.backend.clear_session()
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    as_command(main)
