"""Both int8 tables, on drawn pictures and small inputs."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from draw_lesion import draw

from skinedge.benchmarks import attention_int8, backbones_int8
from skinedge.errors import UsageError
from skinedge.image import to_input
from skinedge.train.batches import normalise
from skinedge.train.datasets import open_dataset

SIZE = 96


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.stack([to_input(draw(seed, 72, 96), SIZE, SIZE) for seed in range(10)])


def test_untrained_gates_differ_from_place_to_place(pixels: np.ndarray) -> None:
    keras.utils.set_random_seed(1)
    model = attention_int8.untrained("cbam", SIZE, pixels, seed=1)
    maps = np.asarray(model(normalise(pixels))[1])
    assert maps.std(axis=1).mean() > 0.05
    assert 0.5 < maps.mean() < 0.9


def test_ours_is_one_partition_and_keeps_the_map(pixels: np.ndarray) -> None:
    model = attention_int8.untrained("soft-published", SIZE, pixels, seed=1)
    plain, ours = attention_int8.compare("soft-published", model, pixels[:5], pixels[5:], 2)
    assert (plain.form, ours.form) == ("converter defaults", "ours")
    assert ours.partitions == 1 < plain.partitions
    assert ours.positions == 9
    assert ours.correlation > 0.9
    text = attention_int8.markdown([plain, ours])
    assert "| soft-published | 96 | 3×3 | ours |" in text


def test_too_few_images_are_named(ham10000: Path) -> None:
    with pytest.raises(UsageError, match="147 images, 148 are needed"):
        attention_int8.drawn(open_dataset(ham10000), SIZE, 148, seed=1)


def test_mobilenet_v3_is_one_partition(pixels: np.ndarray) -> None:
    """Its hard-swish has no int8 kernel in XNNPACK and is left float."""
    row = backbones_int8.measure("mobilenet-v3-small", SIZE, pixels, repeats=2)
    assert row.weights == "random"
    assert row.partitions == (1, 1)
    assert row.int8 < 0.4 * row.float32
    assert "HARD_SWISH" not in row.outside
    assert math.isfinite(row.noise)
    assert "mobilenet-v3-small | as published" in backbones_int8.markdown([row])


def test_signal_to_noise_is_in_decibels() -> None:
    signal = np.full((2, 3), 10.0)
    assert backbones_int8.signal_to_noise(signal, signal + 1) == pytest.approx(20)
    assert backbones_int8.signal_to_noise(signal, signal) == math.inf


def test_the_command_names_what_it_cannot_replace(
    ham10000: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["vgg16", "--activation", "relu6", "--size", "32", "--data", str(ham10000)]
    monkeypatch.setattr(sys, "argv", ["backbones_int8", *arguments])
    backbones_int8.main()
    assert "vgg16: vgg16_soft: has no swish to replace" in capsys.readouterr().out
