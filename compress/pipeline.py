"""Run folder -> the files that ship: change the network, quantize it, judge it, write it.

The float32 file is written too: it is what the gate measures against, and what a benchmark of the
compression starts from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from skinedge.classifier import Classifier
from skinedge.errors import DatasetError, UsageError
from skinedge.model_file import parse_model
from skinedge.runtime import Network
from skinedge.train.batches import load_pixels
from skinedge.train.datasets.images import LabelledImages
from skinedge.train.datasets.splits import Split
from skinedge.train.evaluate import Answers, ask, decision_thresholds, report
from skinedge.train.recipes.recipe import Recipe
from skinedge.train.runs import Run, load, split_of
from skinedge.train.zoo.attention import FLOAT_IN_INT8
from skinedge.whole_file import write_whole

from .activations import refuse_hard_swish
from .bias import with_biases_of
from .card import Steps, card
from .convert import float32_tflite
from .edge_quantizer import int4_tflite
from .fidelity import Fidelity, fidelity
from .gate import Verdict, judge
from .metadata import package
from .pooling import refuse_average_pooling
from .quantize import (
    corrected_int8_tflite,
    dynamic_tflite,
    float16_tflite,
    int8_tflite,
    int16x8_tflite,
    written_by,
)
from .recipe import Compression, parse
from .refit import refit_logits
from .steps import change, quantized_while_training

__all__ = ["Compressed", "Progress", "compress", "quantized", "training_pixels"]

# Figures of the report that a model file carries about itself.
CARD_METRICS = (
    "images",
    "accuracy",
    "balanced_accuracy",
    "macro_auroc",
    "melanoma_auroc",
    "expected_calibration_error",
    "at_thresholds",
)
Progress = Callable[[str, int], Callable[[int], None]]


def _silent(step: str, items: int) -> Callable[[int], None]:
    return lambda done: None


@dataclass(frozen=True)
class Compressed:
    """What `compress` wrote.

    Attributes:
        float32: the full-precision file of the run.
        file: the compressed file; ends in `.rejected` if the gate refused it.
        card: the compressed file's `skinedge.json`.
        verdict: the gate's, on the validation split.
        test: how closely the file follows the float one on the test split.
        steps: what each step did, by its name.
    """

    float32: Path
    file: Path
    card: dict[str, Any]
    verdict: Verdict
    test: Fidelity
    steps: Steps


@dataclass(frozen=True)
class _Asked:
    """A flatbuffer, its card with figures of its own, and what it said of both splits."""

    flatbuffer: bytes
    card: dict[str, Any]
    validation: Answers
    test: Answers
    partitions: int


def _ask_all(classifier: Classifier, part: LabelledImages, advance: Callable[[int], None]) -> Any:
    answers = ask(classifier, part, advance)
    if answers.unreadable:
        raise DatasetError(f"{len(answers.unreadable)} unreadable images: {answers.unreadable[0]}")
    return answers


def _ask(
    flatbuffer: bytes, about: dict[str, Any], split: Split, name: str, progress: Progress
) -> _Asked:
    """Set thresholds and take figures with the file as it will be."""
    bare = {**about, "thresholds": [], "metrics": None}
    file = parse_model(package(flatbuffer, bare), Path(name))
    classifier = Classifier(file, Network(file.content, name))
    advance = progress(f"{name}: evaluate", len(split.validation.images) + len(split.test.images))
    validation = _ask_all(classifier, split.validation, advance)
    thresholds = decision_thresholds(validation)
    test = _ask_all(classifier, split.test, advance)
    figures = report(test, thresholds)
    metrics = {"split": "test", **{key: figures[key] for key in CARD_METRICS}}
    return _Asked(
        flatbuffer,
        {**bare, "thresholds": thresholds, "metrics": metrics},
        validation,
        test,
        classifier.network.delegate_partitions(),
    )


def training_pixels(
    train: LabelledImages, seed: int, size: int, choice: str = "random"
) -> Callable[[int], np.ndarray]:
    """A function that loads the first so many training images: uint8 `[n, size, size, 3]`.

    Args:
        train: the training split.
        seed: decides the order.
        size: of the network's input.
        choice: `random`, as they come; or `balanced`, each class in turn.
    """
    order = np.random.default_rng(seed).permutation(len(train.images))
    if choice == "balanced":
        labels = train.labels()[order]
        turn = np.empty(len(order), np.int64)
        for label in np.unique(labels):
            turn[labels == label] = np.arange((labels == label).sum())
        order = order[np.argsort(turn, kind="stable")]
    return lambda count: load_pixels([train.images[i] for i in order[:count]], size)


def quantized(
    model: Any, how: Compression, images: Callable[[int], np.ndarray]
) -> tuple[bytes, Steps]:
    """A network as a flatbuffer of the recipe's precision, quantized after training.

    Args:
        model: Keras 3, outputs logits and perhaps a map.
        how: precision, representative images, bias correction, refit.
        images: the first so many training images, uint8 `[n, H, W, 3]`.

    Returns:
        The flatbuffer; where biases were to be corrected, what came of it, as `biases`.

    Raises:
        CompressionError: the converter refused.
    """
    float_layers = FLOAT_IN_INT8 + (f"|(?:{how.float_layers})" if how.float_layers else "")
    if how.precision == "int8":
        return _quantized_int8(model, how, images, float_layers)
    if how.precision == "int16x8":
        return int16x8_tflite(model, images(how.representative), float_layers, how.ranges), {}
    convert = {"float32": float32_tflite, "float16": float16_tflite, "dynamic": dynamic_tflite}
    if how.precision in convert:
        return convert[how.precision](model), {}
    return int4_tflite(float32_tflite(model)), {}


def _quantized_int8(
    model: Any, how: Compression, images: Callable[[int], np.ndarray], float_layers: str
) -> tuple[bytes, Steps]:
    representative = images(how.representative)
    did: Steps = {}
    if how.bias:
        # Others than those that calibrate, as far as there are any.
        others = images(how.representative + how.bias)[-how.bias :]
        int8, correction = corrected_int8_tflite(
            model, representative, float_layers, how.ranges, others
        )
        did["biases"] = {**asdict(correction), "summary": correction.summary()}
    else:
        int8 = int8_tflite(model, representative, float_layers, how.ranges)
    if how.refit:
        refitted = refit_logits(model, int8, images(how.refit))
        again = int8_tflite(refitted, representative, float_layers, how.ranges)
        int8 = with_biases_of(again, int8) if how.bias else again
    return int8, did


def compress(
    run: Run,
    data: LabelledImages,
    out: Path,
    how: Compression,
    progress: Progress = _silent,
    accept: bool = False,
) -> Compressed:
    """Write `<recipe>-float32.tflite` and `<recipe>-<compression>.tflite` into `out`.

    Thresholds are set on the validation split and metrics
    taken on the test split, each by the very file that carries them; the gate compares the two
    files on the validation split. A step that changes the network leaves its result in
    `out/steps`, so that an interrupted compression goes on from there.

    Args:
        run: a finished run folder.
        data: the dataset it was trained on.
        out: where to write; made if missing.
        how: the compression recipe.
        progress: called with a line and the number of items before each step; what it returns is
            called with a number of items done.
        accept: write the file under its own name even if the gate refuses it.

    Raises:
        RunError: the folder holds no finished run, or was trained on another split.
        DatasetError, ImageError: an image cannot be read.
        UsageError: `how.float_layers` is the name of nothing.
        CompressionError: a step or the converter refused.
        OSError: a file could not be written; what stood there before still does.
    """
    description = run.describe()
    split = split_of(run, data)
    model = load(run)
    name, seed = description["recipe"]["name"], description["seed"]
    if how.qat is not None and how.swish is None:
        refuse_hard_swish(model, how.name)
    if how.qat is not None:
        refuse_average_pooling(model, how.name)
    there = len(split.train.images)
    how = replace(how, representative=min(how.representative, there), refit=min(how.refit, there))
    pixels = training_pixels(split.train, seed, int(model.inputs[0].shape[1]), how.choice)
    # Now, lest one that cannot be read ends it after hours of fine-tuning.
    images = pixels(how.images)
    float32 = float32_tflite(model)
    if how.float_layers and not written_by(float32, how.float_layers):
        raise UsageError(f"--float-layers {how.float_layers!r}: no operator of {name} is named so")
    out.mkdir(parents=True, exist_ok=True)
    full = _ask(
        float32,
        card(model, description, parse("float32"), {}),
        split,
        f"{name}-float32",
        progress,
    )
    float_path = out / f"{name}-float32.tflite"
    write_whole(float_path, package(full.flatbuffer, full.card))

    recipe = Recipe.of(description["recipe"])
    changed = change(model, split.train, recipe, how, seed, out / "steps", progress)
    if how.qat is not None:
        flatbuffer = quantized_while_training(
            changed.model, model, split.train, recipe, how, seed, images, out / "steps", progress
        )
        did = changed.did
    else:
        progress(f"{how.name}: quantize", 0)
        flatbuffer, quantization = quantized(changed.model, how, lambda count: images[:count])
        did = {**changed.did, **quantization}
    about = {**card(model, description, how, did), "float32_metrics": full.card["metrics"]}
    shown = f"{name}-{how.name}"
    ours = _ask(flatbuffer, about, split, shown, progress)
    verdict = judge(
        full.validation,
        ours.validation,
        decision_thresholds,
        (full.partitions, ours.partitions),
        how.limits,
    )
    whole = {**ours.card, "gate": verdict.describe()}
    path, rejected = out / f"{shown}.tflite", out / f"{shown}.tflite.rejected"
    if verdict.passed or accept:
        rejected.unlink(missing_ok=True)  # of an earlier attempt
    else:
        path = rejected  # what an earlier attempt was handed over stays
    write_whole(path, package(flatbuffer, whole))
    return Compressed(float_path, path, whole, verdict, fidelity(full.test, ours.test), did)
