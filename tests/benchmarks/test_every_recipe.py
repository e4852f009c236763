"""The end-to-end check itself, on one recipe of each kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from skinedge.benchmarks.every_recipe import shortened, small_subset, try_recipe
from skinedge.train.datasets import open_dataset
from skinedge.train.recipes import RECIPES


def test_the_subset_has_every_class_and_one_image_a_lesion(ham10000: Path) -> None:
    data = open_dataset(ham10000)
    subset = small_subset(data, 70)
    assert sorted(subset.labels()) == sorted([*range(7)] * 10)
    assert len({image.lesion_id for image in subset.images}) == 70


@pytest.mark.parametrize("name", RECIPES)
def test_shortened_is_two_epochs(name: str) -> None:
    short = shortened(RECIPES[name], 50, 96)
    assert sum(stage.epochs for stage in short.stages) == 2
    assert {stage.input_size for stage in short.stages} == {96} == {short.spec.input_size}
    assert shortened(RECIPES[name], 50, None).spec.input_size == RECIPES[name].spec.input_size


@pytest.mark.parametrize("name", ["edge-128", "soft-attention-vgg16"])
def test_a_recipe_goes_the_whole_way(name: str, ham10000: Path, tmp_path: Path) -> None:
    subset = small_subset(open_dataset(ham10000), 70)
    outcome = try_recipe(shortened(RECIPES[name], 32, 64), subset, tmp_path / "run")
    assert outcome.passed
    assert outcome.recipe == name
    assert outcome.reloaded == 0
