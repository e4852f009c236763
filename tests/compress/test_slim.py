"""Channels that say nothing go first, and a small plain network that still answers is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from scipy.stats import spearmanr
from small import SIZE, small
from tiny import TINY

from skinedge.compress.channels import keep_channels, removable_groups
from skinedge.compress.fine_tune import imitation_loss, map_distance
from skinedge.compress.importance import importance
from skinedge.compress.quantize import int8_tflite
from skinedge.compress.recipe import FineTune, Slim
from skinedge.compress.slim import choose, cut, slim
from skinedge.errors import CompressionError
from skinedge.train.datasets import LabelledImages, open_dataset, split_by_lesion
from skinedge.train.zoo.attention import FLOAT_IN_INT8
from skinedge.train.zoo.cost import multiply_accumulates

LEAST = {"conv0": 8, "head": 8}


@pytest.fixture(scope="module")
def train(ham10000: Path) -> LabelledImages:
    return split_by_lesion(open_dataset(ham10000), seed=1).train


def _views(count: int = 16) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-1, 1, (32, SIZE, SIZE, 3)).astype(np.float32) for _ in range(count)]


def _deaf(model: Any, reader: str, channel: int) -> Any:
    """A copy whose layer `reader` does not hear a channel."""
    deaf = keep_channels(model, {})
    kernel, *bias = deaf.get_layer(reader).get_weights()
    kernel[..., channel, :] = 0
    deaf.get_layer(reader).set_weights([kernel, *bias])
    return deaf


def test_a_useless_channel_is_worth_nothing() -> None:
    model = _deaf(_deaf(small(), "conv1", 5), "logits", 40)
    worth = importance(model, removable_groups(model), _views(2), seed=1)
    assert worth["conv0"][5] == worth["head"][40] == 0
    assert all(np.median(values) > 0 for values in worth.values())
    kept = choose(model, removable_groups(model), worth, 0.8 * multiply_accumulates(model), LEAST)
    assert 5 not in kept["conv0"] or 40 not in kept["head"]


def test_worth_foretells_the_loss_of_a_removal() -> None:
    """In order, and for channels that matter little, to second order, in size."""
    model, views = small(), _views()
    worth = importance(model, removable_groups(model), views, seed=1)["conv0"]
    pixels = np.concatenate(views[:4])
    teacher = model(pixels, training=False)
    losses = []
    for channel in range(16):
        student = _deaf(model, "conv1", channel)(pixels, training=False)
        loss = imitation_loss(teacher[0], student[0]) + map_distance(teacher[1], student[1])
        losses.append(float(np.mean(loss)))
    assert spearmanr(worth, losses).statistic > 0.9
    slightest = np.argsort(losses)[:4]
    np.testing.assert_allclose(worth[slightest], np.array(losses)[slightest], rtol=0.5)


def test_cheap_channels_go_first_eight_at_a_time() -> None:
    model = small()
    groups = removable_groups(model)
    worth = {"conv0": np.arange(16.0), "head": 1e3 + np.arange(64.0)[::-1]}
    whole = multiply_accumulates(model)
    kept = choose(model, groups, worth, 0.8 * whole, LEAST)
    assert kept["conv0"].tolist() == list(range(8, 16))
    assert kept["head"].tolist() == list(range(64))
    kept = choose(model, groups, worth, 0.6 * whole, LEAST)
    assert len(kept["head"]) % 8 == 0
    assert kept["head"].tolist() == list(range(len(kept["head"])))
    slim_macs = multiply_accumulates(keep_channels(model, kept))
    assert 0.5 * whole < slim_macs <= 0.6 * whole
    with pytest.raises(CompressionError, match=r"the least is .* ask for slim\d\d or more"):
        choose(model, groups, worth, 0.1 * whole, LEAST)


def test_statistics_follow_the_cut() -> None:
    """A network whose statistics are those of what it sees is such a network afterwards."""
    (views,) = _views(1)
    model = small()
    for layer in model.layers:
        layer.momentum = 0.0
    model(views, training=True)

    def strangeness(of: Any) -> float:
        """How far the features are from those with the statistics of these very views."""
        features = keras.Model(of.inputs, of.get_layer("pool").output)
        known, seen = (np.asarray(features([views], training=t)) for t in (False, True))
        return float(np.abs(known - seen).max() / np.abs(seen).max())

    kept = {"conv0": np.arange(8), "head": np.arange(0, 64, 2)}
    assert strangeness(model) < 0.01
    assert strangeness(keep_channels(model, kept)) > 0.1
    assert strangeness(cut(model, kept, lambda: [views])) < 0.01


def test_a_smaller_network_is_left(
    train: LabelledImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skinedge.compress.slim.IMAGES", 32)
    model = small()
    lines: list[str] = []
    how = Slim(0.6, 2, FineTune(1, images_per_epoch=32))
    with pytest.raises(CompressionError, match="ask for slim"):
        slim(model, model, train, TINY, Slim(0.05, 2), 1, lines.append)
    assert not lines, "before anything is cut"
    left, report = slim(model, model, train, TINY, how, 1, lines.append)
    assert report.before.macs == multiply_accumulates(model)
    assert report.after.macs == multiply_accumulates(left) <= 0.6 * report.before.macs
    assert report.after.parameters == left.count_params() < report.before.parameters
    assert all(count % 8 == 0 for count in report.after.channels.values())
    assert report.after.channels.keys() == report.before.channels.keys() == LEAST.keys()
    assert len(lines) == 3  # two cuts, and fine-tuning after the last
    left.save(tmp_path / "slim.keras")
    again = keras.models.load_model(tmp_path / "slim.keras")
    pixels = _views(1)[0]
    for one, other in zip(left(pixels), again(pixels), strict=True):
        assert np.array_equal(one, other)
    pictures = np.random.default_rng(0).integers(0, 256, (8, SIZE, SIZE, 3), dtype=np.uint8)
    file = int8_tflite(again, pictures, FLOAT_IN_INT8)
    interpreter = Interpreter(model_content=file, num_threads=1)
    interpreter.allocate_tensors()
    operators = [operator["op_name"] for operator in interpreter._get_ops_details()]
    assert operators.count("DELEGATE") == 1


def test_needs_tensorflow_and_something_to_remove(
    train: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = keras.Input((SIZE, SIZE, 3))
    model = keras.Model(pixels, keras.layers.Conv2D(16, 3)(pixels))
    with pytest.raises(CompressionError, match="no convolution has channels that can go"):
        slim(model, model, train, TINY, Slim(0.6), 1)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(CompressionError, match="KERAS_BACKEND=tensorflow"):
        slim(model, model, train, TINY, Slim(0.6), 1)
