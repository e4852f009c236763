"""The whole line from the command: train, compress, info, evaluate, for a task without melanoma."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import TINY
from typer.testing import CliRunner, Result

from skinedge.edge_cli.main import app
from skinedge.errors import SkinEdgeError, UsageError
from skinedge.train.recipes import RECIPES

SHORT = replace(TINY, name="tiny", stages=TINY.stages[:1], spec=replace(TINY.spec, input_size=32))


@pytest.fixture(autouse=True)
def tiny_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "tiny", SHORT)


def skinedge(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, SkinEdgeError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_a_binary_model_goes_the_whole_way(ham10000: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    options = ("--task", "malignancy", "--attention", "none", "--fold", "2/3", "--loss", "focal")
    trained = skinedge("train", "tiny", "--data", ham10000, "--out", run, *options)
    assert "melanoma" not in trained.output.splitlines()[-1]
    described = json.loads((run / "run.json").read_text())
    assert described["recipe"]["spec"]["classes"] == ["benign", "malignant"]
    assert described["partition"]["folds"] == 3
    assert (run / "report.html").is_file()

    exported = skinedge(
        "compress", run, "--data", ham10000, "--out", out, "--refit", "50", "--accept"
    )
    assert "melanoma" not in exported.output
    model = out / "tiny-int8.tflite"
    assert "benign, malignant*" in skinedge("info", model).output
    evaluated = skinedge(
        "evaluate", model, "--data", ham10000, "--split", "test", "--json", "--no-intervals"
    )
    figures = json.loads(evaluated.stdout.splitlines()[0])
    assert figures["images"] == described["images"]["test"]
    assert figures["melanoma_auroc"] is None
    predicted = skinedge("predict", ham10000 / "HAM10000_images_part_1", "--model", model, "--json")
    assert "malignant_probability" in predicted.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--fold", "half"), "K/N"),
        (("--fold", "4/3"), "no fold 4 of 3"),
        (("--task", "age"), "unknown task 'age'"),
        (("--loss", "sharp"), "unknown loss 'sharp'"),
        (("--attention", "sparkles"), "unknown attention 'sparkles'"),
        (("--layout", "mine"), "unknown layout 'mine'"),
        (("--weights", "nowhere.h5"), "use imagenet, none, a weights file, or a run"),
    ],
)
def test_a_wrong_option_is_one_line_and_leaves_nothing(
    options: tuple[str, str], message: str, ham10000: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        skinedge("train", "tiny", "--data", ham10000, "--out", tmp_path / "run", *options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
