"""Every operator left float in turn, on a model that has one bad operator."""

from __future__ import annotations

import math
import re

import keras
import numpy as np
import pytest

from skinedge.compress.sensitivity import Sensitivity, choose, markdown, sensitivity

SIZE = 32


@pytest.fixture(scope="module")
def rows() -> tuple[list[Sensitivity], list[tuple[int, int]]]:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    pixels = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="first")(pixels)
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="second")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(8, activation="relu", name="bad")(x)
    model = keras.Model(pixels, layers.Dense(7, name="logits")(x))
    # One channel is always zero; its huge weights take the steps that all others need.
    kernel, bias = model.get_layer("second").get_weights()
    bias[0] = -100
    model.get_layer("second").set_weights([kernel, bias])
    kernel, bias = model.get_layer("bad").get_weights()
    kernel[0] = 200
    model.get_layer("bad").set_weights([kernel, bias])
    kernel, bias = model.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([10 * kernel, bias])
    pictures = np.random.default_rng(1).integers(0, 256, (24, 1, 1, 3), np.uint8)
    pictures = np.broadcast_to(pictures, (24, SIZE, SIZE, 3)).copy()
    calls: list[tuple[int, int]] = []
    table = sensitivity(
        model, pictures[:8], pictures[8:], "", lambda done, of: calls.append((done, of))
    )
    return table, calls


def test_the_bad_operator_comes_first(rows: tuple[list[Sensitivity], list]) -> None:
    reference, *operators = rows[0]
    assert reference.tensor == ""
    assert math.isnan(reference.correlation)
    divergences = [row.divergence for row in operators]
    assert divergences == sorted(divergences)
    assert "/bad" in operators[0].tensor
    assert operators[0].divergence < 0.1 * reference.divergence


def test_pixels_stay_pixels(rows: tuple[list[Sensitivity], list]) -> None:
    """A float first operator would make the input float32."""
    assert not any("first" in row.tensor for row in rows[0])


def test_progress_counts_to_the_end(rows: tuple[list[Sensitivity], list]) -> None:
    calls = rows[1]
    assert calls[-1][0] == calls[-1][1] >= len(rows[0]) - 1


def test_the_table_names_operators(rows: tuple[list[Sensitivity], list]) -> None:
    text = markdown(rows[0], most=2)
    assert len(text.splitlines()) == 5
    assert "nothing more" in text


def row(tensor: str, divergence: float, correlation: float, partitions: int = 1) -> Sensitivity:
    return Sensitivity(tensor, "CONV_2D", divergence, 1.0, correlation, partitions)


def test_choose_takes_what_pays() -> None:
    table = [
        row("", 0.010, 0.90),
        row("net/a;net/b1", 0.004, 0.90),
        row("net/map", 0.010, 0.97),
        row("net/splits", 0.001, 0.99, partitions=2),
        row("net/c", 0.0099, 0.90),
    ]
    pattern = choose(table, budget=3)
    chosen = [r.tensor for r in table[1:] if re.search(pattern, r.tensor)]
    assert chosen == ["net/a;net/b1", "net/map"]
    one = choose(table, budget=1)
    assert [r.tensor for r in table[1:] if re.search(one, r.tensor)] == ["net/map"]
    assert choose([table[0], table[-1]], budget=3) == ""
