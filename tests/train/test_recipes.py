"""Every recipe as data: it builds, its parameters are the published ones, the command lists it."""

from __future__ import annotations

import json
from dataclasses import replace

import keras
import pytest
import recipe_pages
from typer.testing import CliRunner

from skinedge.edge_cli.main import app
from skinedge.edge_cli.recipes import recipe_page
from skinedge.train.recipes import RECIPES
from skinedge.train.tasks import TASKS
from skinedge.train.zoo.applications import Application
from skinedge.train.zoo.backbones import BACKBONES
from skinedge.train.zoo.build import build
from skinedge.train.zoo.resnet34 import BasicBlocks

# Of Keras' count: EfficientNet's Normalization layer, which our pixels do without.
PREPROCESSING = {"efficientnet-b0": 7, "efficientnet-b3": 7}
STATISTICS = 12  # our 1x1 convolution to the values the backbone was trained on


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_consistent(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.name == name
    assert recipe.spec.classes == TASKS[recipe.task].classes
    assert recipe.spec.input_size == recipe.stages[-1].input_size
    assert len({stage.input_size for stage in recipe.stages}) == 1 or recipe.spec.head == "average"


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_builds_with_its_attention(name: str) -> None:
    spec = replace(RECIPES[name].spec, input_size=96)
    model = build(spec, keras)
    assert model.outputs[0].shape == (None, len(spec.classes))
    mapped = [block for block in spec.attention if block.block not in ("s2", "eca", "se")]
    assert len(model.outputs) == 1 + bool(mapped)


def published() -> list[str]:
    return [name for name, recipe in RECIPES.items() if recipe.published]


@pytest.mark.parametrize("name", [n for n in published() if RECIPES[n].published.parameters])
def test_backbone_has_the_published_parameters(name: str) -> None:
    recipe = RECIPES[name]
    backbone = recipe.spec.backbone
    bare = replace(recipe.spec, attention=(), head="average", input_size=96)
    model = build(bare, keras)
    head = model.get_layer("logits").count_params()
    count = model.count_params() - head - STATISTICS + PREPROCESSING.get(backbone, 0)
    assert count == recipe.published.parameters
    network = BACKBONES[backbone].network
    assert isinstance(network, Application | BasicBlocks)


def test_words_do_not_change_the_digest() -> None:
    recipe = RECIPES["edge"]
    assert replace(recipe, source="someone else").digest() == recipe.digest()
    assert replace(recipe, batch_size=31).digest() != recipe.digest()


@pytest.mark.parametrize("name", published())
def test_page_says_that_figures_are_references(name: str) -> None:
    page = recipe_page(RECIPES[name])
    assert "a reference, not a result of ours" in page
    assert "the recipe was never trained in full" in page
    for _, value in RECIPES[name].published.figures:
        assert f"{value:g}" in page


def test_the_command_lists_and_shows() -> None:
    runner = CliRunner()
    listed = runner.invoke(app, ["recipes"])
    assert [line.split()[0] for line in listed.output.splitlines()] == list(RECIPES)
    shown = runner.invoke(app, ["recipes", "cbam-b3", "--json"])
    assert json.loads(shown.output)["spec"]["backbone"] == "efficientnet-b3"
    unknown = runner.invoke(app, ["recipes", "magic"])
    assert "unknown recipe 'magic'" in str(unknown.exception)


def test_the_page_in_the_docs_is_current() -> None:
    assert recipe_pages.PAGE.read_text(encoding="utf-8") == recipe_pages.text()
