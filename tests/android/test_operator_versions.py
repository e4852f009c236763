"""Android's TensorFlow Lite, 2.16.1 on Maven Central, has the operators of the files that ship.

`tflite_2_16_1.json` is what that release has, as `tools/tflite_operators.py` asked it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from draw_lesion import disc

from skinedge.benchmarks.graph import kind, read
from skinedge.compress.edge_quantizer import int4_tflite
from skinedge.compress.quantize import (
    dynamic_tflite,
    float16_tflite,
    float32_tflite,
    int8_tflite,
)
from skinedge.model_file import EMBEDDED
from skinedge.train.zoo.attention import ATTENTION, FLOAT_IN_INT8

SUPPORTED = json.loads((Path(__file__).parent / "tflite_2_16_1.json").read_text())
SIZE = 32
PICTURES = np.stack([disc(SIZE, (222, 172, 150), (112, 66, 48), r) for r in (40, 80)])


def too_new(content: bytes) -> set[str]:
    """What 2.16.1 does not have.

    AI Edge Quantizer leaves an operator's version as it was, so that int4 weights do not show
    there: 2.16.1 takes such a file, and returns nonsense or crashes.
    """
    model = read(content)
    found = set()
    for graph in model.subgraphs:
        for operator in graph.operators:
            name, version = kind(model, operator), model.operatorCodes[operator.opcodeIndex].version
            first, last = SUPPORTED.get(name, (1, 0))
            if not first <= version <= last:
                found.add(f"{name} {version}")
        if any(tensor.type == schema.TensorType.INT4 for tensor in graph.tensors):
            found.add("INT4")
    return found


def network(block: str) -> Any:
    """A convolution, attention, a dense layer large enough for the converter to quantize."""
    keras.utils.set_random_seed(0)
    pixels = x = keras.Input((SIZE, SIZE, 3), name="pixels")
    x = keras.layers.Conv2D(160, 3, 4, "same", name="conv")(x)
    x = keras.layers.ReLU(6.0, name="relu")(x)
    x, attention = ATTENTION[block].build(keras, x, "attention")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    logits = keras.layers.Dense(7, name="logits")(x)
    return keras.Model(pixels, [logits] if attention is None else [logits, attention])


@pytest.fixture(scope="module")
def model() -> Any:
    return network("soft")


def test_the_embedded_model_runs_on_android() -> None:
    assert too_new(EMBEDDED.read_bytes()) == set()


def test_the_embedded_model_says_so() -> None:
    model = read(EMBEDDED.read_bytes())
    (entry,) = (e for e in model.metadata if e.name == b"min_runtime_version")
    version = bytes(model.buffers[entry.buffer].data).rstrip(b"\0").decode()
    assert [int(part) for part in version.split(".")] <= [2, 16, 1]


@pytest.mark.parametrize("convert", [float32_tflite, float16_tflite])
def test_fresh_float_files_run_on_android(model: Any, convert: Any) -> None:
    assert too_new(convert(model)) == set()


@pytest.mark.parametrize("block", ATTENTION)
def test_fresh_int8_files_run_on_android(block: str) -> None:
    assert too_new(int8_tflite(network(block), PICTURES, FLOAT_IN_INT8)) == set()


def test_what_needs_a_later_release_is_seen(model: Any) -> None:
    assert too_new(dynamic_tflite(model)) == {"FULLY_CONNECTED 12"}
    assert too_new(int4_tflite(float32_tflite(model), smallest=0)) == {"INT4"}
