"""Run folder -> the files that ship: float32 and int8 `.tflite`, each explaining itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ai_edge_litert
import numpy as np
import tensorflow as tf

from skinedge.classifier import Classifier
from skinedge.errors import DatasetError
from skinedge.lesion import lesion
from skinedge.model_file import SCHEMA, parse_model
from skinedge.runtime import Network
from skinedge.train.batches import load_pixels
from skinedge.train.datasets import LabelledImages
from skinedge.train.evaluate import Answers, ask, decision_thresholds, report
from skinedge.train.runs import Run, load, split_of
from skinedge.train.zoo.attention import FLOAT_IN_INT8
from skinedge.train.zoo.spec import PIXEL_SCALE, PIXEL_ZERO

from .metadata import package
from .quantize import float32_tflite, int8_tflite
from .refit import refit_logits

__all__ = ["Exported", "export"]

DESCRIPTION = "Skin-lesion classifier. A research tool, never a diagnosis."
LICENCES = {"HAM10000": "CC BY-NC 4.0 (through its training data, HAM10000)"}
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


@dataclass(frozen=True)
class Exported:
    """What `export` wrote, and how the two files compare.

    Attributes:
        float32: the full-precision file.
        int8: the file that ships.
        card: the int8 file's `skinedge.json`.
        agreement: share of test images on which both name the same class, 0 to 1.
        attention_correlation: mean Pearson correlation of the two maps over test images, -1 to
            1; NaN without attention.
    """

    float32: Path
    int8: Path
    card: dict[str, Any]
    agreement: float
    attention_correlation: float


def _weights_digest(model: Any) -> str:
    digest = hashlib.sha256()
    for array in model.get_weights():
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _card(
    model: Any, description: dict[str, Any], representative: int, refit: int
) -> dict[str, Any]:
    spec = description["recipe"]["spec"]
    _, height, width, _ = model.inputs[0].shape
    blocks = "+".join(placed["block"] for placed in spec["attention"])
    side = round(model.outputs[1].shape[1] ** 0.5) if len(model.outputs) > 1 else 0
    return {
        "schema": SCHEMA,
        "name": f"SkinEdge {description['recipe']['name']}",
        "description": DESCRIPTION,
        "version": f"seed {description['seed']}",
        "licence": LICENCES.get(
            description["dataset"], f"as its training data allows: {description['dataset']}"
        ),
        "labels": [vars(lesion(code)) for code in spec["classes"]],
        "input": {"height": height, "width": width, "scale": PIXEL_SCALE, "zero": PIXEL_ZERO},
        "attention": {"block": blocks, "height": side, "width": side} if side else None,
        "recipe": description["recipe"],
        "recipe_sha256": description["recipe_sha256"],
        "training": {
            key: description[key]
            for key in (
                "dataset",
                "start",
                "seed",
                "partition",
                "split_sha256",
                "lesions",
                "images",
                "calibration",
            )
        },
        "quantization": {
            "method": "post-training, TFLite converter",
            "activations": "int8",
            "weights": "int8 per channel",
            "float_layers": FLOAT_IN_INT8 if "soft" in blocks or "s2" in blocks else "",
            "representative_images": representative,
            "refit_images": refit,
            "image_split": "train",
        },
        "weights_sha256": _weights_digest(model),
        "versions": {
            **description["versions"],
            "tensorflow": tf.__version__,
            "ai_edge_litert": ai_edge_litert.__version__,
        },
    }


def _attention_correlation(one: Answers, other: Answers) -> float:
    if one.attention is None or other.attention is None:
        return float("nan")
    pairs = zip(one.attention, other.attention, strict=True)
    return float(np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]))


def _ask_all(classifier: Classifier, part: LabelledImages) -> Answers:
    answers = ask(classifier, part)
    if answers.unreadable:
        raise DatasetError(f"{len(answers.unreadable)} unreadable images: {answers.unreadable[0]}")
    return answers


def _write(path: Path, content: bytes) -> None:
    """Write whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)


def export(
    run: Run,
    data: LabelledImages,
    out: Path,
    representative: int = 128,
    refit: int = 2000,
    progress: Callable[[str], None] = lambda step: None,
) -> Exported:
    """Write `<recipe>-float32.tflite` and `<recipe>.tflite` (int8) into `out`.

    Thresholds are set on the validation split and metrics taken on the test split, each by the
    very file that carries them.

    Args:
        run: a finished run folder.
        data: the dataset it was trained on.
        out: where to write; made if missing.
        representative: how many training images calibrate activation ranges.
        refit: how many training images refit the last layer (see `refit`); 0 leaves it alone.
        progress: called with a line before each step.

    Raises:
        RunError: the folder holds no finished run, or was trained on another split.
        DatasetError: an image of the validation or test split cannot be read.
        CompressionError: the converter refused.
    """
    description = run.describe()
    split = split_of(run, data)
    model = load(run)
    card = _card(model, description, representative, refit)
    size = card["input"]["height"]
    name = description["recipe"]["name"]

    def finish(flatbuffer: bytes, settings: dict[str, Any]) -> tuple[Answers, dict[str, Any]]:
        """Answers on the test split, and the card with the figures of this very flatbuffer."""
        bare = {**card, **settings, "thresholds": [], "metrics": None}
        file = parse_model(package(flatbuffer, bare), Path(name))
        classifier = Classifier(file, Network(file.content, name))
        thresholds = decision_thresholds(_ask_all(classifier, split.validation))
        answers = _ask_all(classifier, split.test)
        figures = report(answers, thresholds)
        metrics = {"split": "test", **{key: figures[key] for key in CARD_METRICS}}
        return answers, {**bare, "thresholds": thresholds, "metrics": metrics}

    progress("float32: convert and evaluate")
    float32 = float32_tflite(model)
    float_answers, float_card = finish(float32, {"quantization": None})

    progress("int8: quantize")
    order = np.random.default_rng(description["seed"]).permutation(len(split.train.images))

    def first_images(count: int) -> np.ndarray:
        return load_pixels([split.train.images[i] for i in order[:count]], size)

    int8 = int8_tflite(model, first_images(representative), FLOAT_IN_INT8)
    if refit:
        progress("int8: refit the last layer")
        refitted = refit_logits(model, int8, first_images(refit))
        int8 = int8_tflite(refitted, first_images(representative), FLOAT_IN_INT8)
    progress("int8: evaluate")
    int8_answers, int8_card = finish(int8, {"float32_metrics": float_card["metrics"]})

    out.mkdir(parents=True, exist_ok=True)
    float_path, int8_path = out / f"{name}-float32.tflite", out / f"{name}.tflite"
    _write(float_path, package(float32, float_card))
    _write(int8_path, package(int8, int8_card))
    same = int8_answers.probabilities.argmax(1) == float_answers.probabilities.argmax(1)
    return Exported(
        float_path,
        int8_path,
        int8_card,
        float(same.mean()),
        _attention_correlation(int8_answers, float_answers),
    )
