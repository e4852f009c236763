"""Going on from a finished run: its weights, its answers, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from killed import Killed, kill_after
from thin import RANDOM, THIN, thin_backbone

from skinedge.compress.activations import Exchanged, replace_activations
from skinedge.compress.channels import keep_channels, removable_groups
from skinedge.errors import RunError
from skinedge.train import fit, runs
from skinedge.train.calibrate import Calibration
from skinedge.train.datasets import open_dataset, split_by_lesion
from skinedge.train.datasets.splits import Split
from skinedge.train.recipes import Loss, Recipe
from skinedge.train.stages import Trainer
from skinedge.train.start import fresh_network
from skinedge.train.zoo.build import build
from skinedge.train.zoo.placement import placed
from skinedge.train.zoo.spec import ModelSpec

STAGE = replace(THIN.stages[1], input_size=32)
SHORT = replace(
    THIN, name="short", stages=(STAGE,), spec=replace(THIN.spec, input_size=32), images_per_epoch=32
)


@pytest.fixture(scope="module", autouse=True)
def _thin() -> Iterator[None]:
    with thin_backbone():
        yield


@pytest.fixture(scope="module")
def split(ham10000: Path) -> Split:
    return split_by_lesion(open_dataset(ham10000), seed=1)


@pytest.fixture(scope="module")
def finished(split: Split, tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    recipe = replace(SHORT, stages=(replace(STAGE, epochs=1),))
    folder = tmp_path_factory.mktemp("runs") / "finished"
    return fit.train(recipe, split, folder, seed=1, options=RANDOM)


def started(recipe: Recipe, split: Split, run: runs.Run) -> tuple[Any, Trainer]:
    """The network before its first step."""
    trainer = Trainer(run, recipe, split, 1, fit.Options(str(run.folder)))
    model = trainer.network(recipe.spec.input_size)
    trainer.load_start(model)
    return model, trainer


@pytest.mark.parametrize(
    "loss",
    [
        Loss("logit-adjusted"),
        Loss("cross-entropy"),
        Loss("focal", class_weights="inverse-frequency"),
        Loss("ldam", class_weights="effective-number", scale=30.0),
        Loss("lmf", scale=12.0),
    ],
    ids=lambda loss: loss.name,
)
def test_it_starts_with_what_the_run_knows(loss: Loss, finished: runs.Run, split: Split) -> None:
    """Whatever the loss, its logits are read as the run's, its calibration taken out."""
    model, trainer = started(replace(SHORT, loss=loss), split, finished)
    shipped = runs.load(finished)
    for ours, theirs in zip(model.layers, shipped.layers, strict=True):
        assert ours.name == theirs.name
        if ours.name != "logits":
            for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
                np.testing.assert_array_equal(one, other)
    calibration = Calibration(**finished.describe()["calibration"])
    logits, answers = (runs.outputs_on(one, split.test, 32)[0] for one in (model, shipped))
    np.testing.assert_allclose(
        trainer.reading()(logits), calibration.equal_prior(answers), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("block", ["none", "cbam", "soft-published"])
def test_another_network_is_refused(
    block: str, finished: runs.Run, split: Split, tmp_path: Path
) -> None:
    """Also one whose weights have the same shapes, as the published Soft-Attention's do."""
    spec = replace(SHORT.spec, attention=placed(block, SHORT.spec.backbone))
    options = fit.Options(str(finished.folder))
    with pytest.raises(RunError, match="it is another network than the recipe's") as caught:
        fit.train(replace(SHORT, spec=spec), split, tmp_path / "run", 1, options=options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    changed = runs.Run(shutil.copytree(finished.folder, tmp_path / "changed"))
    changed.description.write_text(json.dumps({**finished.describe(), "changed": {"slim90": {}}}))
    for size in (32, 64):
        with pytest.raises(RunError, match="it is another network than the recipe's"):
            fresh_network(replace(spec, input_size=size), fit.Options(str(changed.folder)))


def test_another_split_is_refused(finished: runs.Run, ham10000: Path, tmp_path: Path) -> None:
    other = split_by_lesion(open_dataset(ham10000), seed=2)
    options = fit.Options(str(finished.folder))
    with pytest.raises(RunError, match=r"trained on another split; .* --split-seed") as caught:
        fit.train(SHORT, other, tmp_path / "run", 1, options=options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_finished_run_is_refused(
    finished: runs.Run, split: Split, tmp_path: Path
) -> None:
    (tmp_path / "start").mkdir()
    options = fit.Options(str(tmp_path / "start"))
    with pytest.raises(RunError, match="not a run folder"):
        fit.train(SHORT, split, tmp_path / "run", 1, options=options)
    shutil.copy(finished.description, tmp_path / "start")
    with pytest.raises(RunError, match="training has not finished"):
        fit.train(SHORT, split, tmp_path / "run", 1, options=options)
    assert not (tmp_path / "run").exists()


def test_a_network_that_compression_changed_trains_on(
    finished: runs.Run, split: Split, tmp_path: Path
) -> None:
    """Its channels stay removed, and what it says at first is what it said."""
    slim = runs.Run(tmp_path / "slim")
    slim.folder.mkdir()
    whole = runs.load(finished)
    group = removable_groups(whole)[0]
    small = keep_channels(whole, {group.name: np.arange(group.channels - 4)})
    runs.save(small, slim.model)
    changed = {"slim90": {"after": {"channels": {group.name: group.channels - 4}}}}
    text = json.dumps({**finished.describe(), "changed": changed})
    slim.description.write_text(text)

    model, trainer = started(SHORT, split, slim)
    calibration = Calibration(**slim.describe()["calibration"])
    logits, answers = (runs.outputs_on(one, split.test, 32)[0] for one in (model, small))
    np.testing.assert_allclose(
        trainer.reading()(logits), calibration.equal_prior(answers), rtol=1e-4, atol=1e-4
    )
    options = fit.Options(str(slim.folder))
    recipe = replace(SHORT, stages=(replace(STAGE, epochs=1),))
    trained = fit.train(recipe, split, tmp_path / "run", 1, options=options)
    assert runs.load(trained).count_params() == small.count_params() < whole.count_params()
    assert trained.describe()["changed"] == changed


def test_a_network_that_compression_changed_takes_another_size(
    finished: runs.Run, tmp_path: Path
) -> None:
    """What the size decides is as if it had been built for it; what was changed stays so."""
    whole = runs.load(finished)
    group = removable_groups(whole)[0]
    run = runs.Run(tmp_path)
    kept = np.arange(group.channels - 4)
    runs.save(keep_channels(whole, {group.name: kept}), run.model)
    run.description.write_text(json.dumps({**finished.describe(), "changed": {"slim90": {}}}))
    larger = replace(SHORT.spec, input_size=64)
    built = build(larger, keras)
    built.set_weights(whole.get_weights())
    small = fresh_network(larger, fit.Options(str(run.folder)))
    small.set_weights(runs.load(run).get_weights())
    pixels = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    expected = keep_channels(built, {group.name: kept})(pixels)
    for got, want in zip(small(pixels), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_operations_without_a_layer_are_cloned_too(finished: runs.Run, tmp_path: Path) -> None:
    """MobileNetV3 adds numbers without a layer for it."""
    spec = ModelSpec("mobilenet-v3-small", placed("soft", "mobilenet-v3-small"), 32, dropout=0.1)
    model = replace_activations(keras, build(replace(spec, dropout=0.3), keras), "relu6")
    run = runs.Run(tmp_path)
    runs.save(model, run.model)
    written = {"changed": asdict(Exchanged("relu6", 1)), "recipe": {"spec": asdict(spec)}}
    run.description.write_text(json.dumps(written))
    fresh = fresh_network(spec, fit.Options(str(tmp_path)))
    assert fresh.count_params() == model.count_params()
    functions = {getattr(layer, "activation", None) for layer in fresh.layers}
    assert keras.activations.relu6 in functions
    assert keras.activations.hard_silu not in functions
    assert fresh.get_layer("dropout").rate == 0.1  # the recipe's


def test_names_come_before_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("none", "imagenet"):
        (tmp_path / name).mkdir()
        assert fit.Options(name).start is None


def test_a_run_that_goes_on_resumes(
    finished: runs.Run, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(SHORT, loss=Loss("ldam"))
    options = fit.Options(str(finished.folder))
    unbroken = fit.train(recipe, split, tmp_path / "unbroken", 1, options=options)
    assert unbroken.describe()["start"].startswith("run ")
    with monkeypatch.context() as patch:
        kill_after(1, patch)
        with pytest.raises(Killed):
            fit.train(recipe, split, tmp_path / "run", 1, options=options)
    written = json.loads((tmp_path / "run" / "run.json").read_text())
    with pytest.raises(RunError, match="start differs"):
        fit.train(recipe, split, tmp_path / "run", 1, True, options=fit.Options("none"))
    assert written == json.loads((tmp_path / "run" / "run.json").read_text())
    resumed = fit.train(recipe, split, tmp_path / "run", 1, True, options=options)
    expected = runs.load(unbroken).get_weights()
    for ours, theirs in zip(runs.load(resumed).get_weights(), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert resumed.log.read_text() == unbroken.log.read_text()


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_it_goes_on_and_resumes_on_another_backend(
    backend: str, ham10000: Path, tmp_path: Path
) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    script = Path(__file__).with_name("on_backend.py")
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "CUDA_VISIBLE_DEVICES": "",  # to the last bit on CPUs alone
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join([str(script.parents[1]), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, str(script), str(ham10000), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
