"""Every precision runs, and says what the float model says; a map that fails is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from draw_lesion import draw
from tiny import TINY

from skinedge.compress import quantize
from skinedge.compress.convert import converter
from skinedge.compress.edge_quantizer import aeq_int8_tflite, int4_tflite, int16_from
from skinedge.compress.fidelity import fidelity
from skinedge.compress.heads import plan, run_heads
from skinedge.compress.quantize import (
    RANGES,
    calibrate,
    dynamic_tflite,
    float16_tflite,
    float32_tflite,
    int8_from,
    int8_tflite,
    plain_int8_tflite,
    written_by,
)
from skinedge.compress.ranges import tightened
from skinedge.compress.recipe import Limits
from skinedge.errors import CompressionError, UsageError
from skinedge.image import to_input
from skinedge.train.zoo.attention import ATTENTION, FLOAT_IN_INT8
from skinedge.train.zoo.build import build
from skinedge.train.zoo.weights import load_imagenet

SIZE = 96  # a map of 3 x 3
PICTURES = np.stack([to_input(draw(seed, 72, 96), SIZE, SIZE) for seed in range(12)])
CALIBRATION, UNSEEN = PICTURES[:6], PICTURES[6:]


@pytest.fixture(scope="module")
def model() -> Any:
    keras.utils.set_random_seed(1)
    made = build(replace(TINY.spec, input_size=SIZE), keras)
    load_imagenet(made, "efficientnet-lite0")
    return made


@pytest.fixture(scope="module")
def float32(model: Any) -> bytes:
    return float32_tflite(model)


@pytest.fixture(scope="module")
def calibrated(model: Any) -> bytes:
    return calibrate(model, CALIBRATION)


def int8(calibrated: bytes) -> bytes:
    return int8_from(calibrated, written_by(calibrated, FLOAT_IN_INT8))


def test_float16_halves_the_file_and_changes_nothing(model: Any, float32: bytes) -> None:
    half = float16_tflite(model)
    pair = fidelity(run_heads(float32, UNSEEN), run_heads(half, UNSEEN))
    assert len(half) < 0.55 * len(float32)
    assert pair.agreement == 1
    assert pair.attention_correlation > 0.999


def test_weights_alone_quarter_the_file(model: Any, float32: bytes) -> None:
    full = run_heads(float32, UNSEEN)
    eight, four = dynamic_tflite(model), int4_tflite(float32)
    assert len(eight) < 0.32 * len(float32)
    assert len(four) < len(eight)
    for file, least in ((eight, 0.95), (four, 0.7)):
        assert fidelity(full, run_heads(file, UNSEEN)).attention_correlation > least
    # All layers in int4 are smaller still, and farther from float.
    all_four = int4_tflite(float32, smallest=0)
    assert len(all_four) < len(four)
    divergence = {f: fidelity(full, run_heads(f, UNSEEN)).divergence for f in (four, all_four)}
    assert divergence[all_four] > divergence[four]


def test_int4_is_there(float32: bytes) -> None:
    graph = schema.ModelT.InitFromPackedBuf(int4_tflite(float32), 0).subgraphs[0]
    kinds = [tensor.type for tensor in graph.tensors]
    assert schema.TensorType.INT4 in kinds
    assert schema.TensorType.INT8 in kinds


def test_both_int8_heads_are_uint8_in_one_partition(float32: bytes, calibrated: bytes) -> None:
    """Standard clients refuse a file with heads of both kinds."""
    file = int8(calibrated)
    interpreter = Interpreter(model_content=file)
    details = interpreter.get_input_details() + interpreter.get_output_details()
    assert {detail["dtype"] for detail in details} == {np.uint8}
    assert plan(file).partitions == 1
    pair = fidelity(run_heads(float32, UNSEEN), run_heads(file, UNSEEN))
    assert pair.attention_correlation > 0.9


def test_the_plan_names_what_the_delegate_leaves(model: Any) -> None:
    found = plan(plain_int8_tflite(model, CALIBRATION))
    assert found.partitions > 1
    assert sum(operator.startswith("SOFTMAX") for operator in found.outside) == 2


@pytest.mark.parametrize("ranges", ["percentile", "mse"])
def test_tighter_ranges_are_inside_and_keep_the_pixels(calibrated: bytes, ranges: str) -> None:
    tighter = tightened(calibrated, CALIBRATION, ranges)
    widths = []
    for content in (calibrated, tighter):
        graph = schema.ModelT.InitFromPackedBuf(content, 0).subgraphs[0]
        records = [t.quantization for t in graph.tensors if t.quantization is not None]
        # Every range is made to hold zero when it is used.
        ends = [(min(0, r.min[0]), max(0, r.max[0])) for r in records if r.min is not None]
        widths.append([high - low for low, high in ends])
    assert all(b <= a + 1e-6 for a, b in zip(*widths, strict=True))
    assert sum(widths[1]) < sum(widths[0])
    pixels = Interpreter(model_content=int8(tighter)).get_input_details()[0]
    assert pixels["quantization"] == (1 / 128, 127)


def test_bad_arguments_are_named(model: Any, calibrated: bytes, float32: bytes) -> None:
    with pytest.raises(UsageError, match=", ".join(RANGES)):
        tightened(calibrated, CALIBRATION, "entropy")
    with pytest.raises(UsageError, match="at least one"):
        calibrate(model, CALIBRATION[:0])
    with pytest.raises(UsageError, match="octav"):
        int4_tflite(float32, algorithm="gptq")


def test_a_layer_that_never_answers_does_not_end_it() -> None:
    """Its range is zero, and what the converter makes of that XNNPACK refuses."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    pixels = keras.Input((SIZE, SIZE, 3), name="pixels")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(16, 3, 4, activation="relu")(pixels))
    gate = layers.Dense(8, "relu", bias_initializer="ones", name="squeeze")(x)
    gate = layers.Dense(16, "sigmoid", name="excite")(gate)
    model = keras.Model(pixels, layers.Dense(7, name="logits")(layers.Multiply()([x, gate])))
    squeeze = model.get_layer("squeeze")
    squeeze.set_weights([squeeze.get_weights()[0], np.full(8, -100, np.float32)])
    with pytest.raises(CompressionError, match="cannot run"):
        run_heads(plain_int8_tflite(model, CALIBRATION), UNSEEN)
    full = run_heads(float32_tflite(model), UNSEEN)
    for ranges in RANGES:
        ours = int8_tflite(model, CALIBRATION, "", ranges)
        assert fidelity(full, run_heads(ours, UNSEEN)).divergence < 1e-3


def test_what_a_maximum_reads_is_not_clipped() -> None:
    """Channel maxima are above zero where the channels themselves go far below."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    pixels = keras.Input((SIZE, SIZE, 3), name="pixels")
    x = layers.Conv2D(16, 3, 8, name="conv")(pixels)
    x, _ = ATTENTION["cbam"].build(keras, x, "attention")
    model = keras.Model(pixels, layers.Dense(7, name="logits")(layers.GlobalMaxPooling2D()(-x)))
    full = run_heads(float32_tflite(model), UNSEEN)
    lost = [
        fidelity(full, run_heads(file, UNSEEN)).divergence
        for file in (int8_tflite(model, CALIBRATION, ""), plain_int8_tflite(model, CALIBRATION))
    ]
    assert lost[0] < 1e-3
    assert lost[1] > 10 * lost[0]


def test_ai_edge_quantizers_default_runs(float32: bytes) -> None:
    heads = run_heads(aeq_int8_tflite(float32, CALIBRATION), UNSEEN)
    assert fidelity(run_heads(float32, UNSEEN), heads).attention_correlation > 0.9


def flattened(model: Any, share: float) -> Any:
    """The model with heads whose logits hardly differ: a map as flat as the pilot's."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    heads = copy.get_layer("attention_heads")
    heads.set_weights([weight * share for weight in heads.get_weights()])
    return copy


@pytest.mark.parametrize(("share", "activations"), [(1e-3, "int8"), (1e-5, "int16")])
def test_the_correlation_sees_what_the_answers_hide(
    model: Any, share: float, activations: str
) -> None:
    """The pilot's int16x8: answers all right, a map that correlated 0.008 with the float map.

    A map flatter than the steps of its integers comes out constant, without a trace in the
    probabilities.
    """
    flat = flattened(model, share)
    full = run_heads(float32_tflite(flat), UNSEEN)
    calibrated = calibrate(flat, CALIBRATION)
    denied = written_by(calibrated, FLOAT_IN_INT8)
    lost = int16_from(calibrated, denied) if activations == "int16" else int8(calibrated)
    pair = fidelity(full, run_heads(lost, UNSEEN))
    assert pair.agreement == 1
    assert pair.divergence < 0.02
    assert pair.attention_correlation < 0.5 < Limits().attention_correlation


def test_int16_keeps_a_map_that_int8_loses(model: Any) -> None:
    flat = flattened(model, 1e-3)
    calibrated = calibrate(flat, CALIBRATION)
    file = int16_from(calibrated, written_by(calibrated, FLOAT_IN_INT8))
    full, kept = (run_heads(f, UNSEEN) for f in (float32_tflite(flat), file))
    assert fidelity(full, kept).attention_correlation > 0.95


def test_a_head_without_its_name_is_refused(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """AI Edge Quantizer, told to leave the operator that writes a head in float, returns another
    tensor than the signature names: read by name, the map is stale memory."""
    monkeypatch.setattr(quantize, "converter", lambda model, calibrated: converter(model))
    bare = calibrate(model, CALIBRATION[:1])
    with pytest.raises(CompressionError, match="lost a head"):
        int16_from(bare, written_by(bare, FLOAT_IN_INT8))


def test_an_operation_without_a_tflite_form_is_named_with_its_layer() -> None:
    @keras.saving.register_keras_serializable("tests")
    class Odd(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return tf.math.erfinv(0.1 * x)

    pixels = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(Odd(name="odd")(pixels))
    model = keras.Model(pixels, keras.layers.Dense(7)(pooled), name="net")
    with pytest.raises(CompressionError, match=r"net\S*/odd\S* computes Erfinv, which TF"):
        quantize.float32_tflite(model)
