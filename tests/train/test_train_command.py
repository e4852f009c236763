"""`skinedge train`: several sets in one run, and a run that goes on from another."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from test_merging import clinics
from tiny import TINY
from typer.testing import CliRunner, Result

from skinedge.edge_cli.main import app
from skinedge.errors import RunError, SkinEdgeError, UsageError
from skinedge.train.recipes import RECIPES

FIRST = replace(TINY.stages[0], epochs=1)
SHORT = replace(
    TINY,
    name="tiny",
    stages=(FIRST, replace(FIRST, ema_momentum=0.9)),
    spec=replace(TINY.spec, input_size=32),
    images_per_epoch=16,
)


@pytest.fixture(autouse=True)
def tiny_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "tiny", SHORT)


def train(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, ["train", "tiny", *map(str, arguments)])
    if isinstance(result.exception, SkinEdgeError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_two_sets_are_one_and_a_run_goes_on(ham10000: Path, tmp_path: Path) -> None:
    one, other = clinics(tmp_path, ham10000)
    run, longer = tmp_path / "run", tmp_path / "longer"
    train("--data", one, "--data", other, "--out", run, "--mixup", "0.2")
    described = json.loads((run / "run.json").read_text())
    assert described["dataset"] == "HAM10000 + HAM10000"
    assert sum(described["lesions"].values()) == 98
    assert described["recipe"]["mixing"]["mixup_alpha"] == 0.2
    assert described["recipe"]["mixing"]["cutmix_alpha"] == 0
    assert str(tmp_path) not in json.dumps(described["partition"])

    found = json.loads((run / "evaluation.json").read_text())
    assert found["about"]["split digest"] == described["split_sha256"]
    assert found["about"]["model"] == "run, float32"
    low, high = found["intervals"]["of"]["macro_auroc"]
    assert low < found["macro_auroc"] < high

    # The same images from one folder, and one more stage.
    train("--data", ham10000, "--out", longer, "--weights", run, "--last-stage")
    again = json.loads((longer / "run.json").read_text())
    assert again["split_sha256"] == described["split_sha256"]
    assert len(again["recipe"]["stages"]) == 1
    assert again["start"].startswith("run ")

    with pytest.raises(RunError, match="trained on another split"):
        train("--data", one, "--out", tmp_path / "no", "--weights", run, "--last-stage")
    assert not (tmp_path / "no").exists()


def test_the_last_stage_alone_needs_a_run(ham10000: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name it with --weights RUN"):
        train("--data", ham10000, "--out", tmp_path / "run", "--last-stage")


@pytest.mark.parametrize("option", ["--seed", "--split-seed"])
def test_a_seed_that_numpy_does_not_take(option: str, ham10000: Path, tmp_path: Path) -> None:
    options = ["--data", str(ham10000), "--out", str(tmp_path / "run"), option, str(2**32)]
    result = CliRunner().invoke(app, ["train", "tiny", *options])
    assert result.exit_code == 2
    assert "2147483647" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_notice_is_one_line(ham10000: Path, tmp_path: Path) -> None:
    (tmp_path / "mel").symlink_to(ham10000 / "HAM10000_images_part_1")
    (tmp_path / "rota.csv").write_text("day\nMonday\n")
    options = ["--data", str(tmp_path), "--out", str(tmp_path / "run"), "--fold", "4/3"]
    result = CliRunner().invoke(app, ["train", "tiny", *options])
    assert f"skinedge: warning: {tmp_path}: rota.csv is not read" in result.stderr
    assert "no fold 4 of 3" in str(result.exception)


def test_other_clinics_are_not_taken_for_other_tasks(ham10000: Path, tmp_path: Path) -> None:
    shutil.copytree(ham10000 / "HAM10000_images_part_1", tmp_path / "images")
    codes = ("mel", "nv", "malignant")
    rows = [f"ISIC_{2 * n:07d},{codes[n % 3]},{'Oslo' if n < 30 else 'Rome'}" for n in range(60)]
    (tmp_path / "own.csv").write_text("\n".join(("image_id,dx,clinic", *rows)))
    options = ["--data", str(tmp_path), "--clinic", "Oslo", "--task", "melanoma", "--fold", "4/3"]
    result = CliRunner().invoke(app, ["train", "tiny", *options])
    assert "no fold 4 of 3" in str(result.exception)
    assert "skinedge: 20 images have no class in this task\n" in result.stderr


def test_a_run_is_called_as_its_recipe(
    ham10000: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "tiny").mkdir(parents=True)
    (tmp_path / "runs" / "tiny" / "run.json").touch()
    with pytest.raises(RunError, match=r"runs/tiny: not empty; use --resume .* or another --out"):
        train("--data", ham10000)
