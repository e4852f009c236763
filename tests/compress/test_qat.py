"""The network that trains is the file that ships: same rounding, block by block."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from draw_lesion import draw
from small import SIZE, small
from tiny import TINY

from skinedge.compress.heads import plan, run_heads
from skinedge.compress.prune import kernels, worth_compressing
from skinedge.compress.qat import fake_quantized, qat, qat_tflite, trained_int8
from skinedge.compress.recipe import FineTune, Qat, parse
from skinedge.image import to_input
from skinedge.train.batches import normalise
from skinedge.train.datasets import LabelledImages, open_dataset, split_by_lesion
from skinedge.train.zoo.build import build

TUNE = Qat(FineTune(3, learning_rate=2e-3, images_per_epoch=128))
PICTURES = np.stack([to_input(draw(seed, 72, 96), SIZE, SIZE) for seed in range(24)])
SEEN, NEW = PICTURES[:16], PICTURES[16:]


@pytest.fixture(scope="module")
def train(ham10000: Path) -> LabelledImages:
    return split_by_lesion(open_dataset(ham10000), seed=1).train


def _answers(model: Any, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Probabilities and map of a Keras model, of either Keras."""
    outputs = model(normalise(pictures), training=False)
    logits, *maps = outputs if isinstance(outputs, list) else [outputs]
    return tf.nn.softmax(logits).numpy(), np.asarray(maps[0]) if maps else None


def _input(flatbuffer: bytes) -> tuple[Any, tuple[float, int], list[int]]:
    interpreter = Interpreter(model_content=flatbuffer)
    interpreter.allocate_tensors()
    detail = interpreter.get_input_details()[0]
    return detail["dtype"], detail["quantization"], detail["shape"].tolist()


def _weights(flatbuffer: bytes, shape: list[int]) -> np.ndarray:
    """The int8 kernel of this shape, output channels first."""
    interpreter = Interpreter(model_content=flatbuffer)
    interpreter.allocate_tensors()
    (index,) = [
        detail["index"]
        for detail in interpreter.get_tensor_details()
        if detail["shape"].tolist() == shape
        and len(detail["quantization_parameters"]["scales"]) == shape[0]
    ]
    return np.asarray(interpreter.get_tensor(index))


@pytest.mark.parametrize(
    "block", ["soft", "soft-published", "cbam", "spatial", "sge", "s2", "eca", "se"]
)
def test_each_block_trains_as_it_ships(block: str) -> None:
    model = small(block)
    student = fake_quantized(model, SEEN)
    flatbuffer = qat_tflite(student)
    assert _input(flatbuffer) == (np.uint8, (1 / 128, 127), [1, SIZE, SIZE, 3])
    heads = run_heads(flatbuffer, NEW)

    probabilities, attention = _answers(student, NEW)
    assert np.ptp(probabilities, axis=0).max() > 0.3  # images differ, or all would agree
    simulated = np.abs(heads.probabilities - probabilities)
    lost = np.abs(heads.probabilities - _answers(model, NEW)[0])
    # A rounding that falls the other way early on moves a probability by some steps.
    assert simulated.mean() < min(2 / 256, lost.mean() / 3)
    assert lost.max() < 0.35
    assert (attention is None) == (heads.attention is None)
    if attention is not None and heads.attention is not None:
        for ours, theirs in zip(heads.attention, attention, strict=True):
            assert np.corrcoef(ours, theirs)[0, 1] > 0.99

    how = plan(flatbuffer)
    assert how.partitions == 1
    assert {name.split()[0] for name in how.outside} <= {"QUANTIZE", "SOFTMAX"}


def test_training_brings_it_nearer_to_the_teacher(train: LabelledImages) -> None:
    model = small()
    # A network that has something to learn: the teacher's, shaken.
    rough = small()
    rng = np.random.default_rng(3)
    for name in ("conv1", "head", "logits"):
        kernel, *bias = rough.get_layer(name).get_weights()
        shaken = kernel + rng.normal(0, 0.3 * kernel.std(), kernel.shape)
        rough.get_layer(name).set_weights([shaken, *bias])
    before = fake_quantized(rough, SEEN)
    after = qat(rough, model, train, TINY, TUNE, 1, SEEN)
    wanted = _answers(model, NEW)[0]
    error = [np.abs(_answers(student, NEW)[0] - wanted).mean() for student in (before, after)]
    assert error[1] < 0.8 * error[0]
    heads = run_heads(qat_tflite(after), NEW)
    assert np.abs(heads.probabilities - _answers(after, NEW)[0]).mean() < 2 / 256
    statistics = "moving_mean"
    means = [w.numpy() for w in after.weights if statistics in w.name]
    kept = [w.numpy() for w in before.weights if statistics in w.name]
    assert all(np.array_equal(a, b) for a, b in zip(means, kept, strict=True))


def _thinned() -> Any:
    """Pruned to 60 % zeros and clustered to at most 8 values where compression would do so."""
    model = small()
    for name in worth_compressing(model):
        kernel = kernels(model)[name]
        steps = np.quantile(np.abs(kernel), 0.95) / 3
        model.get_layer(name).set_weights([np.clip(np.round(kernel / steps), -3, 3) * steps])
    return model


QUICK = Qat(FineTune(1, learning_rate=1e-3, images_per_epoch=64))


@pytest.mark.parametrize("recipe", ["qat-int8", "prune50-qat-int8", "prune50-cluster8-qat-int8"])
def test_what_earlier_steps_made_is_kept(recipe: str, train: LabelledImages) -> None:
    model = _thinned()
    how = replace(parse(recipe), qat=QUICK, representative=16)
    flatbuffer = trained_int8(model, small(), train, TINY, how, 1, SEEN)
    for name, shape in (("head", [64, 1, 1, 64]), ("conv1", [32, 3, 3, 16])):
        zeros = np.moveaxis(kernels(model)[name], -1, 0) == 0
        shipped = _weights(flatbuffer, shape)
        share = np.mean(shipped[zeros] == 0)
        values = max(len(np.unique(channel)) for channel in shipped)
        if recipe == "qat-int8":
            assert share < 0.9  # free weights drift away from zero
            assert values > 12
        else:
            assert share == 1.0
        if "cluster" in recipe:
            assert values <= 8


def test_the_default_architecture_is_one_partition() -> None:
    model = build(TINY.spec, keras)
    how = plan(qat_tflite(fake_quantized(model, SEEN)))
    assert how.partitions == 1
    assert {name.split()[0] for name in how.outside} <= {"QUANTIZE", "SOFTMAX"}
