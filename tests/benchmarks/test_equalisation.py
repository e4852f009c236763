"""Equalised networks compute the same, and their channels use more of the steps there are."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from draw_lesion import draw

from skinedge.benchmarks.attention_int8 import untrained
from skinedge.benchmarks.backbones_int8 import set_batch_statistics
from skinedge.benchmarks.equalisation import equalised
from skinedge.image import to_input
from skinedge.train.batches import normalise
from skinedge.train.zoo.build import build
from skinedge.train.zoo.spec import ModelSpec

SIZE = 64


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.stack([to_input(draw(seed, 72, 96), SIZE, SIZE) for seed in range(12)])


def largest(model: keras.Model, layer: str, pixels: np.ndarray) -> np.ndarray:
    """Magnitude of a layer's output on the pixels, by channel."""
    values = keras.Model(model.inputs, model.get_layer(layer).output)(normalise(pixels))
    return np.abs(np.asarray(values)).max(axis=(0, 1, 2))


@pytest.mark.parametrize(
    ("backbone", "layer", "top"),
    [
        ("efficientnet-lite0", "block3_depth_relu", 6.0),
        ("resnet50", "conv2_block1_1_relu", None),  # sums before ReLU, max pooling
        ("vgg16", "block1_conv2", None),  # ReLU in the convolution itself
    ],
)
def test_computes_the_same(
    backbone: str, layer: str, top: float | None, pixels: np.ndarray
) -> None:
    keras.utils.set_random_seed(1)
    model = build(ModelSpec(backbone, (), SIZE), keras)
    set_batch_statistics(model, pixels)
    other = equalised(model, pixels)
    wanted, found = (np.asarray(network(normalise(pixels))) for network in (model, other))
    assert np.abs(wanted - found).max() < 1e-4 * np.abs(wanted).max()
    before, after = (largest(network, layer, pixels) for network in (model, other))
    least = [values[before > 0].min() / values.max() for values in (before, after)]
    assert least[1] > 1.5 * least[0]
    assert after.max() == pytest.approx(top or before.max(), rel=1e-3)


def test_half_the_way(pixels: np.ndarray) -> None:
    keras.utils.set_random_seed(1)
    model = build(ModelSpec("vgg16", (), SIZE), keras)
    sizes = [
        largest(network, "block2_conv1", pixels)
        for network in (model, equalised(model, pixels, 0.5), equalised(model, pixels))
    ]
    assert np.allclose(sizes[1], np.sqrt(sizes[0] * sizes[2]), rtol=1e-3)
    assert not np.allclose(sizes[2], sizes[0], rtol=0.1)


def test_what_an_attention_block_reads_stays(pixels: np.ndarray) -> None:
    """It multiplies and normalises over channels; what stands before is scaled all the same."""
    model = untrained("soft", SIZE, pixels, seed=1)
    other = equalised(model, pixels)
    read, inner = (
        [largest(network, layer, pixels) for network in (model, other)]
        for layer in ("block15_project_bn", "block15_depth_relu")
    )
    assert np.allclose(read[0], read[1], rtol=1e-3)
    assert not np.allclose(inner[0], inner[1], rtol=0.1)
    for one, two in zip(model(normalise(pixels)), other(normalise(pixels)), strict=True):
        assert np.allclose(one, two, atol=1e-4 * float(np.abs(one).max()))
