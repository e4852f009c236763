"""What a model file says of itself, as far as it is known before the file is evaluated."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any

import ai_edge_litert
import numpy as np
import tensorflow as tf

from skinedge.lesion import lesion
from skinedge.model_file import SCHEMA
from skinedge.train.zoo.attention import FLOAT_IN_INT8
from skinedge.train.zoo.spec import PIXEL_SCALE, PIXEL_ZERO

from .recipe import OLDEST_TFLITE, Compression

__all__ = ["Steps", "card", "weights_digest"]

# What each step of a compression did, by its name, as plain values; `summary` is a line.
Steps = dict[str, dict[str, Any]]

DESCRIPTION = "Skin-lesion classifier. A research tool, never a diagnosis."
LICENCES = {"HAM10000": "CC BY-NC 4.0 (through its training data, HAM10000)"}
TRAINING = (
    "dataset",
    "start",
    "seed",
    "partition",
    "split_sha256",
    "lesions",
    "images",
    "calibration",
)
# What `skinedge info` says of weights and activations.
NUMBERS = {
    "int8": ("int8 per channel", "int8"),
    "int16x8": ("int8 per channel", "int16"),
    "float16": ("float16", "float32"),
    "dynamic": ("int8 per channel", "float32"),
    "int4": ("int4 per channel", "float32"),
}


def weights_digest(model: Any) -> str:
    """sha256 over a Keras model's weights, in their order."""
    digest = hashlib.sha256()
    for array in model.get_weights():
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _quantization(how: Compression, steps: Steps) -> dict[str, Any] | None:
    if how.precision not in NUMBERS:
        return None
    weights, activations = NUMBERS[how.precision]
    calibrated = activations in ("int8", "int16")
    biases = steps.get("biases", {"kept": False})
    return {
        "method": "quantization-aware training" if how.qat else "post-training",
        "weights": weights,
        "activations": activations,
        "float_layers": "|".join(filter(None, (FLOAT_IN_INT8, how.float_layers)))
        if activations != "float32"
        else "",
        "representative_images": how.representative if calibrated else 0,
        "bias_images": biases["images"] if biases["kept"] else 0,
        "refit_images": how.refit if how.precision == "int8" and how.qat is None else 0,
        "image_split": "train",
    }


def _before(description: dict[str, Any]) -> dict[str, Any]:
    """Channels removed and swish exchanged in the run itself, which was restored from a file."""
    changed = description.get("changed", {})
    return {f"before {name.removeprefix('before ')}": what for name, what in changed.items()}


def card(model: Any, description: dict[str, Any], how: Compression, steps: Steps) -> dict[str, Any]:
    """`skinedge.json` without thresholds and metrics.

    Args:
        model: the float model of the run, Keras 3.
        description: what the run's `run.json` says.
        how: the compression recipe.
        steps: what each step did.
    """
    spec = description["recipe"]["spec"]
    _, height, width, _ = model.inputs[0].shape
    blocks = "+".join(placed["block"] for placed in spec["attention"])
    side = round(model.outputs[1].shape[1] ** 0.5) if len(model.outputs) > 1 else 0
    dataset = description["dataset"]
    return {
        "schema": SCHEMA,
        "name": f"SkinEdge {description['recipe']['name']}",
        "description": DESCRIPTION,
        "version": f"seed {description['seed']}",
        "licence": LICENCES.get(dataset, f"as its training data allows: {dataset}"),
        "labels": [vars(lesion(code)) for code in spec["classes"]],
        "input": {"height": height, "width": width, "scale": PIXEL_SCALE, "zero": PIXEL_ZERO},
        "attention": {"block": blocks, "height": side, "width": side} if side else None,
        "recipe": description["recipe"],
        "recipe_sha256": description["recipe_sha256"],
        "training": {key: description[key] for key in TRAINING},
        "compression": {**asdict(how), "did": {**_before(description), **steps}},
        "quantization": _quantization(how, steps),
        "oldest_tflite": OLDEST_TFLITE[how.precision],
        "weights_sha256": weights_digest(model),
        "versions": {
            **description["versions"],
            "tensorflow": tf.__version__,
            "ai_edge_litert": ai_edge_litert.__version__,
        },
    }
