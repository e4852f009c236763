"""The table over attention blocks, on untrained runs of a drawn dataset."""

from __future__ import annotations

import math
from pathlib import Path

import keras
import numpy as np
import pytest
from untrained_run import finished

from skinedge.benchmarks.attention_table import markdown, rows
from skinedge.errors import RunError, UsageError
from skinedge.train.datasets import LabelledImages, open_dataset
from skinedge.train.zoo.cost import multiply_accumulates, parameters

BLOCKS = (("none", 1), ("none", 2), ("soft", 1))


@pytest.fixture(scope="module")
def data(ham10000: Path) -> LabelledImages:
    return open_dataset(ham10000)


@pytest.fixture(scope="module")
def folders(data: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("table")
    return [finished(root / f"{block}{seed}", data, block, seed) for block, seed in BLOCKS]


def test_one_row_a_block(folders: list[Path], data: LabelledImages) -> None:
    table = {row.block: row for row in rows(folders, data, draws=20)}
    assert table["none"].seeds == (1, 2)
    assert table["soft"].seeds == (1,)
    model = keras.models.load_model(folders[2] / "model.keras")
    assert table["soft"].parameters == parameters(model)
    assert table["soft"].macs == multiply_accumulates(model) > table["none"].macs
    assert table["none"].spread["macro_auroc"] > 0
    assert table["soft"].spread["macro_auroc"] == 0
    assert math.isnan(table["none"].interval["macro_auroc"][0])
    low, high = table["soft"].interval["macro_auroc"]
    difference = table["soft"].mean["macro_auroc"] - table["none"].mean["macro_auroc"]
    assert low < high
    assert low - 0.1 < difference < high + 0.1
    text = markdown(list(table.values()))
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:]] == list(table)
    assert np.isfinite(list(table["soft"].mean.values())).all()


def test_runs_that_differ_otherwise_are_refused(
    folders: list[Path], data: LabelledImages, tmp_path: Path
) -> None:
    longer = finished(tmp_path / "longer", data, "soft", 2, images_per_epoch=65)
    with pytest.raises(RunError, match="more than attention"):
        rows([*folders, longer], data, draws=2)


def test_a_seed_twice_is_refused(folders: list[Path], data: LabelledImages) -> None:
    with pytest.raises(UsageError, match="another run of none with this seed"):
        rows([folders[0], folders[0]], data, draws=2)
