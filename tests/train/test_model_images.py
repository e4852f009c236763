"""What a model is asked about: its own set as training read it, any other as it is found."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from skinedge.errors import UsageError
from skinedge.lesion import CODES
from skinedge.model_file import ClassLabel, ModelFile
from skinedge.train.datasets import LabelledImages, open_dataset
from skinedge.train.model_images import images_for
from skinedge.train.partition import Partition


@pytest.fixture
def folders(ham10000: Path, tmp_path: Path) -> Path:
    """The drawn set in class folders, under names of its own."""
    data = open_dataset(ham10000)
    for number, image in enumerate(data.images):
        folder = tmp_path / "folders" / data.classes[image.label].upper()
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(image.path, folder / f"{number}.jpg")
    return tmp_path / "folders"


def trained(*data: Path, **choices: object) -> ModelFile:
    """A file of a model that was trained on `data`."""
    partition = Partition(**choices)
    training = {
        "seed": partition.seed,
        "partition": asdict(partition),
        "split_sha256": partition(partition.open(*data)).digest(),
    }
    labels = tuple(ClassLabel(code, code, None) for code in CODES)
    return ModelFile(Path("model.tflite"), b"", labels, {"training": training})


def foreign(*codes: str) -> ModelFile:
    labels = tuple(ClassLabel(code, code, None) for code in codes)
    return ModelFile(Path("foreign.tflite"), b"", labels, None)


def ids(data: LabelledImages) -> set[str]:
    return {image.image_id for image in data.images}


def test_a_named_layout_is_not_forced_on_another_set(ham10000: Path, folders: Path) -> None:
    model = trained(ham10000, layout="ham10000")
    images, own = images_for(model, [folders])
    assert (len(images.images), own) == (147, False)
    with pytest.raises(UsageError, match="was trained on; use --split all"):
        images_for(model, [folders], "test")


def test_a_named_layout_still_reads_the_models_own_set(folders: Path) -> None:
    """Which another one is found in: two tables label images beside the folders."""
    for name in ("one", "two"):
        (folders / f"{name}.csv").write_text("image_id,dx\nx,nv\n")
    with pytest.warns(UserWarning, match="not read"):
        model = trained(folders, layout="folder")
    for part in ("all", "test"):
        images, own = images_for(model, [folders], part)
        assert own
        assert all("/" in name for name in ids(images))


def test_two_layouts_do_not_stand_in_the_way_of_one_set(ham10000: Path, folders: Path) -> None:
    with pytest.warns(UserWarning, match="same file"):
        model = trained(ham10000, folders, layout="ham10000,folder")
    for part in ("all", "test"):
        images, own = images_for(model, [ham10000, folders], part)
        assert own
    images, own = images_for(model, [folders])
    assert (len(images.images), own) == (147, False)


def test_a_layout_given_now_overrules(ham10000: Path, folders: Path) -> None:
    (folders / "labels.csv").write_text(f"image_id,dx\n0,{CODES[0]}\n")
    for model in (trained(ham10000, layout="ham10000"), trained(ham10000), foreign(*CODES)):
        assert len(images_for(model, [folders])[0].images) == 1
        with pytest.warns(UserWarning, match="not read"):
            assert len(images_for(model, [folders], layout="folder")[0].images) == 147
        with pytest.raises(UsageError, match="1 datasets and 2 layouts: name one for each"):
            images_for(model, [folders], layout="folder,csv")


def test_a_foreign_models_labels_may_be_capitals(ham10000: Path, folders: Path) -> None:
    model = foreign(*(code.upper() for code in reversed(CODES)))
    for data in ([ham10000], [folders], [folders, ham10000]):
        images, _ = images_for(model, data)
        assert set(images.classes) == {code.upper() for code in CODES}
        assert len(images.images) == 147 * len(data)
