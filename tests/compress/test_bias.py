"""Bias correction takes back what shifted a channel, whatever shifted it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from draw_lesion import draw
from small import SIZE, small

from skinedge.compress.bias import bias_corrected, corrected_if_nearer, with_biases_of
from skinedge.compress.convert import float32_tflite
from skinedge.compress.fidelity import fidelity
from skinedge.compress.heads import run_heads
from skinedge.compress.quantize import calibrate, corrected_int8_tflite, int8_tflite
from skinedge.image import to_input
from skinedge.train.zoo.attention import FLOAT_IN_INT8

PICTURES = np.stack([to_input(draw(seed, 72, 96), SIZE, SIZE) for seed in range(40)])
SEEN, OTHERS, NEW = PICTURES[:16], PICTURES[16:32], PICTURES[32:]


def _copy(model: Any) -> Any:
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def test_shifted_channels_come_back() -> None:
    model = small()
    shifted = _copy(model)
    rng = np.random.default_rng(5)
    for name in ("bn1", "head_bn"):
        layer = shifted.get_layer(name)
        gamma, beta, *statistics = layer.get_weights()
        layer.set_weights([gamma, beta + rng.normal(0, 0.3, beta.shape), *statistics])
    wanted = run_heads(float32_tflite(model), NEW).probabilities
    wrong = int8_tflite(shifted, SEEN, FLOAT_IN_INT8)
    plain = int8_tflite(model, SEEN, FLOAT_IN_INT8)
    files = (wrong, bias_corrected(wrong, calibrate(model, SEEN), OTHERS), plain)
    before, after, best = (
        float(np.abs(run_heads(content, NEW).probabilities - wanted).mean()) for content in files
    )
    assert before > 2 * best  # or there is nothing to take back
    assert after < best + 0.4 * (before - best)


def moved_biases(model: Any) -> bytes:
    """Of the int8 file, whose answers are nearer for it."""
    content, did = corrected_int8_tflite(model, SEEN, FLOAT_IN_INT8, "min-max", OTHERS)
    assert did.kept
    return content


def test_a_correction_that_leads_away_is_left_out() -> None:
    """It does so in EfficientNet-B0 with swish; here, because it saw nothing but black."""
    model = small()
    calibrated = calibrate(model, SEEN)
    plain = int8_tflite(model, SEEN, FLOAT_IN_INT8)
    dark = np.zeros_like(OTHERS)
    content, did = corrected_if_nearer(plain, calibrated, SEEN, dark)
    assert content == plain
    assert not did.kept
    assert did.corrected_divergence > did.divergence > 0
    assert did.summary().startswith(f"left as converted: corrected by {len(dark)} images, KL")


def test_a_correction_that_helps_is_kept() -> None:
    model = small()
    calibrated = calibrate(model, SEEN)
    plain = int8_tflite(model, SEEN, FLOAT_IN_INT8)
    content, did = corrected_if_nearer(plain, calibrated, SEEN, OTHERS)
    assert content == bias_corrected(plain, calibrated, OTHERS)
    assert did.kept
    assert did.corrected_divergence < did.divergence
    assert did.summary().startswith(f"corrected by {len(OTHERS)} images, KL")


@pytest.mark.parametrize("block", ["soft", "soft-published", "cbam", "sge", "s2", "se"])
def test_every_block_keeps_its_map_and_its_file(block: str) -> None:
    """Layers called twice (CBAM's), float ones, some without a bias: none is in the way."""
    model = small(block)
    full = run_heads(float32_tflite(model), NEW)
    plain = int8_tflite(model, SEEN, FLOAT_IN_INT8)
    moved = moved_biases(model)
    assert moved != plain
    assert len(moved) == pytest.approx(len(plain), rel=0.01)
    before, after = (fidelity(full, run_heads(content, NEW)) for content in (plain, moved))
    assert after.divergence < 1.2 * before.divergence
    if full.attention is not None:
        assert after.attention_correlation > before.attention_correlation - 0.002


def _of_head(flatbuffer: bytes) -> tuple[np.ndarray, float]:
    """Biases of the layer `head`, the one of 64 channels; the step of what it writes."""
    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    tensors = model.subgraphs[0].tensors
    (found,) = [
        (tensors[operator.inputs[2]], tensors[operator.outputs[0]])
        for operator in model.subgraphs[0].operators
        if len(operator.inputs) > 2 and tensors[operator.inputs[2]].shape.tolist() == [64]
    ]
    bias, output = found
    values = np.frombuffer(bytes(model.buffers[bias.buffer].data), np.int32)
    return values, float(output.quantization.scale[0])


def test_a_channel_that_would_only_round_the_other_way_keeps_its_bias() -> None:
    """A constant 0.3 steps below a whole one: moved by its error, it is 0.6 below and rounds on."""
    model = small()
    layer, dead = model.get_layer("head_bn"), 5
    gamma, beta, *statistics = layer.get_weights()
    gamma[dead] = 0
    layer.set_weights([gamma, beta, *statistics])
    _, step = _of_head(int8_tflite(model, SEEN, FLOAT_IN_INT8))
    beta[dead] = 20.7 * step
    layer.set_weights([gamma, beta, *statistics])
    plain = int8_tflite(model, SEEN, FLOAT_IN_INT8)
    moved = moved_biases(model)
    before, after = _of_head(plain)[0], _of_head(moved)[0]
    assert _of_head(plain)[1] == step
    assert after[dead] == before[dead]
    assert (after != before).mean() > 0.3


def test_biases_pass_to_a_file_with_another_last_layer() -> None:
    model = small()
    other = _copy(model)
    kernel, bias = other.get_layer("logits").get_weights()
    other.get_layer("logits").set_weights([-kernel, bias + 1])
    moved = moved_biases(model)
    fresh = int8_tflite(other, SEEN, FLOAT_IN_INT8)
    joined = with_biases_of(fresh, moved)
    said = [run_heads(content, NEW) for content in (moved, fresh, joined)]
    # The map is what stands before the last layer: the corrected one's, exactly.
    assert np.array_equal(said[2].attention, said[0].attention)
    assert not np.array_equal(said[2].attention, said[1].attention)
    assert np.abs(said[2].probabilities - said[1].probabilities).mean() < 0.05
