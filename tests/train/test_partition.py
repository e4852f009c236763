"""Which images a run trains and tests on, from plain data."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from skinedge.errors import DatasetError, UsageError
from skinedge.train.datasets import open_dataset, split_by_lesion
from skinedge.train.partition import Partition
from skinedge.train.tasks import TASKS


def test_the_default_is_the_hold_out_split(ham10000: Path) -> None:
    data = open_dataset(ham10000)
    assert Partition(seed=3)(data).digest() == split_by_lesion(data, 3).digest()


def test_cards_from_before_partitions_name_only_the_seed() -> None:
    assert Partition.of({"seed": 5}) == Partition(seed=5)
    whole = Partition("melanoma", 2, 5, 3, "Barcelona")
    assert Partition.of({"seed": 9, "partition": asdict(whole)}) == whole


def test_folds_test_every_lesion_once(ham10000: Path) -> None:
    data = open_dataset(ham10000)
    tested = [
        image.lesion_id
        for fold in (1, 2, 3)
        for image in Partition(folds=3, fold=fold)(data).test.images
    ]
    assert sorted(tested) == sorted({image.lesion_id for image in data.images})


@pytest.mark.parametrize("fold", [0, 4])
def test_a_fold_that_is_not_there_is_refused(fold: int, ham10000: Path) -> None:
    with pytest.raises(UsageError, match=f"no fold {fold} of 3"):
        Partition(folds=3, fold=fold)(open_dataset(ham10000))


@pytest.mark.parametrize(
    ("task", "code", "becomes"),
    [
        ("isic2019", "akiec", "ak"),
        ("melanoma", "nv", "rest"),
        ("melanoma", "mel", "mel"),
        ("keratosis", "bkl", "sk"),
        ("malignancy", "bcc", "malignant"),
        ("malignancy", "vasc", "benign"),
    ],
)
def test_tasks_relabel_ham10000(task: str, code: str, becomes: str, ham10000: Path) -> None:
    data = open_dataset(ham10000)
    asked = TASKS[task].ask(data)
    assert asked.classes == TASKS[task].classes
    assert len(asked.images) == len(data.images)
    of_code = {i.image_id for i in data.images if data.classes[i.label] == code}
    assert {asked.classes[i.label] for i in asked.images if i.image_id in of_code} == {becomes}


def test_identical_images_are_never_parted(ham10000: Path, tmp_path: Path) -> None:
    """Whatever their lesions are called."""
    ham = shutil.copytree(ham10000, tmp_path / "ham")
    data = open_dataset(ham)
    before, naevus = Partition()(data), data.classes.index("nv")
    of_two = [
        next(image for image in part.images if image.label == naevus)
        for part in (before.train, before.test)
    ]
    shutil.copy(of_two[0].path, of_two[1].path)
    with pytest.warns(UserWarning, match="2 images are the same file as one of another lesion"):
        split = Partition()(open_dataset(ham))
    parts = [
        name
        for name, part in split.parts().items()
        if {image.lesion_id for image in of_two} & {image.lesion_id for image in part.images}
    ]
    assert len(parts) == 1


def test_a_clinic_without_images_is_refused(ham10000: Path) -> None:
    with pytest.raises(DatasetError, match="no image has clinic 'Nowhere'"):
        Partition(clinic="Nowhere")(open_dataset(ham10000))
