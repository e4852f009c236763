"""Zeros are where they were asked for, and stay: after stripping, and in the converted file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from small import small
from tiny import TINY

from skinedge.compress.convert import float32_tflite
from skinedge.compress.prune import kernels, layer_sparsities, prune, sparsity
from skinedge.compress.recipe import FineTune, Prune
from skinedge.errors import CompressionError
from skinedge.train.datasets import LabelledImages, open_dataset, split_by_lesion

TUNE = FineTune(2, images_per_epoch=32)
PRUNED = {"conv1", "head"}  # not what reads pixels, nor depthwise, attention, logits


@pytest.fixture(scope="module")
def train(ham10000: Path) -> LabelledImages:
    return split_by_lesion(open_dataset(ham10000), seed=1).train


def _pruned(how: Prune, train: LabelledImages) -> tuple[Any, Any]:
    model = small()
    pruned, report = prune(model, model, train, TINY, how, seed=1)
    assert report == sparsity(pruned)
    return model, pruned


@pytest.mark.parametrize("schedule", ["polynomial", "constant"])
def test_zeros_are_there_and_stay(schedule: str, train: LabelledImages) -> None:
    model, pruned = _pruned(Prune(0.75, schedule=schedule, tune=TUNE), train)
    assert isinstance(pruned, keras.Model)
    for row in sparsity(pruned).layers:
        share = row.zeros / row.weights
        assert share == pytest.approx(0.75 if row.layer in PRUNED else 0, abs=1 / row.weights)
    assert not np.array_equal(kernels(pruned)["logits"], kernels(model)["logits"])  # it trained

    interpreter = Interpreter(model_content=float32_tflite(pruned))
    interpreter.allocate_tensors()
    zeros = {}
    for detail in interpreter.get_tensor_details():
        if detail["shape"].tolist() in ([32, 3, 3, 16], [64, 1, 1, 64]):
            zeros[int(detail["shape"][0])] = np.mean(interpreter.get_tensor(detail["index"]) == 0)
    assert zeros == {32: pytest.approx(0.75, abs=0.01), 64: pytest.approx(0.75, abs=0.01)}


def test_two_of_every_four(train: LabelledImages) -> None:
    _, pruned = _pruned(Prune(0.5, pattern="2-by-4", tune=TUNE), train)
    for name in PRUNED:
        kernel = kernels(pruned)[name]  # [height, width, in, out]: fours along the input channels
        fours = np.moveaxis(kernel, 2, -1).reshape(-1, 4)
        assert set((fours == 0).sum(axis=1)) == {2}


def test_one_threshold_for_all_layers() -> None:
    model = small()
    kernel = kernels(model)["head"]
    model.get_layer("head").set_weights([kernel / 10])
    targets = layer_sparsities(model, Prune(0.6, scope="global"))
    sizes = {name: kernels(model)[name].size for name in PRUNED}
    overall = sum(targets[name] * sizes[name] for name in PRUNED) / sum(sizes.values())
    assert overall == pytest.approx(0.6, abs=0.01)
    assert targets["head"] > 0.8 > 0.5 > targets["conv1"]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (Prune(0.7, pattern="2-by-4"), "2-by-4"),
        (Prune(1.0), "between 0 and 1"),
        (Prune(0.5, tune=replace(TUNE, epochs=0)), "epoch"),
    ],
)
def test_settings_that_do_not_fit(how: Prune, reason: str, train: LabelledImages) -> None:
    with pytest.raises(CompressionError, match=reason):
        prune(small(), small(), train, TINY, how, seed=1)
