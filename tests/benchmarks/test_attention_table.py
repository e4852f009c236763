"""The table over attention blocks, on untrained runs of a drawn dataset."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pytest
from tiny import TINY

from skinedge.benchmarks.attention_table import markdown, rows
from skinedge.errors import RunError, UsageError
from skinedge.train.batches import lesion_prior
from skinedge.train.calibrate import Calibration
from skinedge.train.datasets import LabelledImages, open_dataset
from skinedge.train.partition import Partition
from skinedge.train.runs import Run
from skinedge.train.zoo.build import build
from skinedge.train.zoo.cost import multiply_accumulates, parameters
from skinedge.train.zoo.placement import placed
from skinedge.train.zoo.weights import load_imagenet

BLOCKS = (("none", 1), ("none", 2), ("soft", 1))


@pytest.fixture(scope="module")
def data(ham10000: Path) -> LabelledImages:
    return open_dataset(ham10000)


def finished(folder: Path, data: LabelledImages, block: str, seed: int, **changes: int) -> Path:
    """A run folder as training leaves it, its weights ImageNet's and random ones."""
    keras.utils.set_random_seed(seed)
    attention = placed(block, TINY.spec.backbone)
    recipe = replace(TINY, spec=replace(TINY.spec, attention=attention), **changes)
    split = Partition()(data)
    model = build(recipe.spec, keras)
    load_imagenet(model, recipe.spec.backbone)
    folder.mkdir()
    run = Run(folder)
    model.save(run.model)
    prior = tuple(lesion_prior(split.train).tolist())
    described = {
        "recipe": asdict(recipe),
        "seed": seed,
        "partition": asdict(Partition()),
        "split_sha256": split.digest(),
        "calibration": asdict(Calibration(0.5, 2.0, prior)),
    }
    run.description.write_text(json.dumps(described))
    return folder


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
