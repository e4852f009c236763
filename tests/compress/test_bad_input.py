"""What ends a compression early: each is one line, and nothing is lost or left torn."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import pytest
from killed import Killed
from thin import RANDOM, THIN, thin_backbone

from skinedge.compress.pipeline import Compressed, compress
from skinedge.compress.recipe import Compression, Limits, parse
from skinedge.errors import CompressionError, ImageError, RunError, SkinEdgeError, UsageError
from skinedge.model_file import read_model
from skinedge.train import fit, runs
from skinedge.train.datasets import open_dataset, split_by_lesion

# A network after two epochs on drawn pictures answers by a hair: what matters here is the file.
LENIENT = Limits(1, 1, 1, 1, 0, 1, 0, -1, 0, None)
INT8 = replace(parse("int8"), representative=16, bias=0, refit=0, limits=LENIENT)


@pytest.fixture(scope="module")
def run(ham10000: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[runs.Run]:
    split = split_by_lesion(open_dataset(ham10000), seed=1)
    with thin_backbone():
        yield fit.train(THIN, split, tmp_path_factory.mktemp("runs") / "thin", 1, options=RANDOM)


def squeeze(run: runs.Run, data: Path, out: Path, how: Compression = INT8) -> Compressed:
    return compress(run, open_dataset(data), out, how)


def test_a_refused_file_keeps_another_name(run: runs.Run, ham10000: Path, tmp_path: Path) -> None:
    strict = replace(INT8, limits=replace(LENIENT, attention_correlation=1.01))
    refused = squeeze(run, ham10000, tmp_path, strict)
    assert not refused.verdict.passed
    assert refused.file.name == "thin-int8.tflite.rejected"
    assert not (tmp_path / "thin-int8.tflite").exists()
    assert refused.float32.is_file()
    accepted = compress(run, open_dataset(ham10000), tmp_path, strict, accept=True)
    assert accepted.file.name == "thin-int8.tflite"
    assert not refused.file.exists(), "replaced"
    card = read_model(accepted.file).card
    assert card is not None
    assert card["gate"]["passed"] is False
    # A later attempt that fails takes nothing away.
    again = squeeze(run, ham10000, tmp_path, strict)
    assert again.file == refused.file
    assert accepted.file.is_file()
    assert refused.file.is_file()


def test_full_precision_refused_is_still_full_precision(
    run: runs.Run, ham10000: Path, tmp_path: Path
) -> None:
    strict = replace(LENIENT, attention_correlation=1.01)
    refused = squeeze(run, ham10000, tmp_path, replace(parse("float32"), limits=strict))
    assert refused.file.name == "thin-float32.tflite.rejected"
    assert refused.float32.is_file()


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ("no_such_layer", UsageError, "no operator of thin is named so"),
        ("conv1", CompressionError, "uint8 in and out"),
        (".", CompressionError, "cannot convert to int8 TFLite"),
    ],
)
def test_float_layers_that_cannot_be_are_refused(
    layers: str,
    error: type[SkinEdgeError],
    message: str,
    run: runs.Run,
    ham10000: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=message) as raised:
        squeeze(run, ham10000, tmp_path, replace(INT8, refit=0, float_layers=layers))
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.glob("*int8*"))


@pytest.mark.parametrize("name", ["int8", "prune50-float32"])
def test_an_unreadable_training_image_is_one_line(
    name: str, run: runs.Run, ham10000: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "damaged"
    shutil.copytree(ham10000, copy)
    # Many: which ones calibrate or are drawn, a seed decides.
    images = split_by_lesion(open_dataset(copy), seed=1).train.images[::2]
    for number, image in enumerate(images):
        image.sharpest.write_bytes(image.sharpest.read_bytes()[: 300 + number])
    how = replace(parse(name).with_epochs(1), representative=16, limits=LENIENT)
    with pytest.raises(ImageError, match=r"ISIC_\d+\.jpg") as raised:
        squeeze(run, copy, tmp_path / "out", how)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.glob(f"out/*{name}.tflite*"))


def test_a_missing_image_is_named(run: runs.Run, ham10000: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ham10000, copy)
    next(copy.glob("*part_1/*.jpg")).unlink()
    with pytest.raises(SkinEdgeError, match=r"another split|missing"):
        squeeze(run, copy, tmp_path / "out")


def test_a_full_disk_leaves_no_torn_file(run: runs.Run, ham10000: Path, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    out = tmp_path / "out"
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
    try:
        with pytest.raises((OSError, CompressionError)) as raised:
            squeeze(run, ham10000, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(raised.value)
    assert not [path for path in out.rglob("*") if path.is_file()]


def test_a_killed_compression_goes_on(run: runs.Run, ham10000: Path, tmp_path: Path) -> None:
    """Dies between its first step, which is kept, and its second."""
    how = replace(parse("prune50-cluster16-int8").with_epochs(1), representative=16, refit=0)
    how = replace(how, limits=LENIENT)

    def dies(step: str, items: int) -> Callable[[int], None]:
        if step.startswith("cluster16:"):
            raise Killed
        return lambda done: None

    with pytest.raises(Killed):
        compress(run, open_dataset(ham10000), tmp_path / "killed", how, dies)
    left = sorted(path.name for path in (tmp_path / "killed").rglob("*") if path.is_file())
    assert [name for name in left if "partial" in name] == []
    assert not (tmp_path / "killed" / "thin-prune50-cluster16-int8.tflite").exists()
    said: list[str] = []

    def notes(step: str, items: int) -> Callable[[int], None]:
        said.append(step)
        return lambda done: None

    done = compress(run, open_dataset(ham10000), tmp_path / "killed", how, notes)
    assert any(step.startswith("prune50: taken from") for step in said)
    assert done.file.is_file()


def test_what_was_trained_for_a_refused_file_is_not_trained_again(
    run: runs.Run, ham10000: Path, tmp_path: Path
) -> None:
    strict = replace(LENIENT, attention_correlation=1.01)
    how = replace(parse("qat-int8").with_epochs(1), representative=16, limits=strict)
    assert squeeze(run, ham10000, tmp_path, how).file.suffix == ".rejected"
    said: list[str] = []

    def notes(step: str, items: int) -> Callable[[int], None]:
        said.append(step)
        return lambda done: None

    compress(run, open_dataset(ham10000), tmp_path, how, notes, accept=True)
    assert any(step.startswith("qat: taken from") for step in said)
    # Other images for the first ranges are another training.
    compress(run, open_dataset(ham10000), tmp_path, replace(how, representative=8), notes)
    assert "qat: 1 epochs" in said


def test_a_damaged_step_is_one_line(run: runs.Run, ham10000: Path, tmp_path: Path) -> None:
    """As a loss of power may leave it: whole in length, with a block of nothing."""
    how = replace(parse("prune50-float32").with_epochs(1), limits=LENIENT)
    squeeze(run, ham10000, tmp_path, how)
    (kept,) = (tmp_path / "steps").glob("*.keras")
    content = bytearray(kept.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 4096] = bytes(4096)
    kept.write_bytes(content)
    with pytest.raises(CompressionError, match=r"a damaged step of an earlier compression"):
        squeeze(run, ham10000, tmp_path, how)


@pytest.mark.parametrize("text", ["5", "null", "[1, 2]", "{"])
def test_a_description_that_is_none(text: str, run: runs.Run, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError, match="not a run folder"):
        runs.Run(tmp_path).describe()


def test_a_layer_that_is_not_known(run: runs.Run, ham10000: Path, tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable("elsewhere")
    class Foreign(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x

    copy = tmp_path / "copy"
    shutil.copytree(run.folder, copy)
    pixels = keras.Input((64, 64, 3))
    keras.Model(pixels, Foreign()(pixels)).save(copy / "model.keras")
    keras.saving.get_custom_objects().clear()
    with pytest.raises(RunError, match=r"stock Keras layers \(Could not locate class 'Foreign'\)$"):
        squeeze(runs.Run(copy), ham10000, tmp_path / "out")


def test_a_damaged_model_is_one_line(run: runs.Run, ham10000: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run.folder, copy)
    model = copy / "model.keras"
    model.write_bytes(model.read_bytes()[:1000])
    with pytest.raises(RunError, match=r"model\.keras: damaged"):
        squeeze(runs.Run(copy), ham10000, tmp_path / "out")
