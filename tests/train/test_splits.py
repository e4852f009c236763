"""Lesion-grouped, stratified splits."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from real_data import HAM10000, ISIC_TABLES, needs_ham10000, needs_isic_tables

from skinedge.errors import DatasetError
from skinedge.model_file import read_model
from skinedge.train.datasets import (
    LabelledImage,
    LabelledImages,
    open_dataset,
    parse_dataset,
    split_by_lesion,
    write_split,
)

CLASSES = ("rare", "common")


def made_up(
    lesions: dict[str, int], views: int = 3, sharp_view: int | None = None
) -> LabelledImages:
    """So many lesions of each class, each seen `views` times, from one view sharply."""
    images = []
    for code, count in lesions.items():
        for lesion in range(count):
            for view in range(views):
                name = f"{code}{lesion:03d}-{view}"
                sharp = Path("sharp", name) if view == sharp_view else None
                label = CLASSES.index(code)
                images.append(LabelledImage(name, Path(name), label, f"{code}{lesion}", sharp))
    return LabelledImages("made up", CLASSES, tuple(images))


DATA = made_up({"rare": 20, "common": 180})


def lesions(part: LabelledImages) -> set[str]:
    return {image.lesion_id for image in part.images}


@pytest.mark.parametrize("seed", range(5))
def test_no_lesion_crosses_and_none_is_lost(seed: int) -> None:
    split = split_by_lesion(DATA, seed)
    train, validation, test = map(lesions, split.parts().values())
    assert not train & validation
    assert not train & test
    assert not validation & test
    assert train | validation | test == lesions(DATA)


def test_training_keeps_every_image_of_its_lesions() -> None:
    train = split_by_lesion(DATA, seed=0).train
    assert len(train.images) == 3 * len(lesions(train))


@pytest.mark.parametrize("sharp_view", [None, 0, 2])
@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_lesion_is_asked_about_once_and_sharply(part: str, sharp_view: int | None) -> None:
    data = made_up({"rare": 20, "common": 180}, sharp_view=sharp_view)
    images = split_by_lesion(data, seed=0).parts()[part].images
    assert len({image.lesion_id for image in images}) == len(images)
    assert {image.image_id[-1] for image in images} == {str(sharp_view or 0)}
    assert all(bool(image.sharp) == (sharp_view is not None) for image in images)


@pytest.mark.parametrize(("validation", "test"), [(0.12, 0.15), (0.1, 0.3), (0.25, 0.25)])
def test_parts_have_their_share_of_every_class(validation: float, test: float) -> None:
    split = split_by_lesion(DATA, 3, validation, test)
    shares = {"train": 1 - validation - test, "validation": validation, "test": test}
    for name, part in split.parts().items():
        of_class = Counter(image.label for image in {i.lesion_id: i for i in part.images}.values())
        for label, total in enumerate((20, 180)):
            assert abs(of_class[label] - shares[name] * total) < 1.01


def test_equal_seeds_give_equal_splits() -> None:
    shuffled = DATA.having(reversed(DATA.images))
    one, again, other = (split_by_lesion(DATA, seed) for seed in (7, 7, 8))
    assert one == again
    assert one.digest() == again.digest()
    assert lesions(split_by_lesion(shuffled, 7).test) == lesions(one.test)
    assert lesions(one.test) != lesions(other.test)
    assert one.digest() != other.digest()


def test_the_digest_knows_parts_and_images() -> None:
    split = split_by_lesion(DATA, seed=0)
    swapped = type(split)(split.train, split.test, split.validation)
    fewer = type(split)(split.train, split.validation, split.test.having(split.test.images[1:]))
    assert len({split.digest(), swapped.digest(), fewer.digest()}) == 3


@pytest.mark.parametrize(
    ("rare", "match"), [(1, "cannot split by lesion: "), (2, "too few lesions of rare for train")]
)
def test_a_class_too_small_for_three_parts_is_refused(rare: int, match: str) -> None:
    with pytest.raises(DatasetError, match=f"made up: {match}"):
        split_by_lesion(made_up({"rare": rare, "common": 50}), seed=0)


def test_a_set_too_small_for_its_classes_is_refused() -> None:
    with pytest.raises(DatasetError, match="made up: cannot split by lesion: "):
        split_by_lesion(made_up({"rare": 3, "common": 3}), seed=0)


def test_the_split_is_written_down(ham10000: Path, tmp_path: Path) -> None:
    split = split_by_lesion(open_dataset(ham10000), seed=1)
    write_split(tmp_path / "split.csv", split)
    with open(tmp_path / "split.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    written = [(row["split"], row["image_id"], row["lesion_id"], row["dx"]) for row in rows]
    assert written == [
        (name, image.image_id, image.lesion_id, part.classes[image.label])
        for name, part in split.parts().items()
        for image in part.images
    ]
    assert {row["split"] for row in rows} == {"train", "validation", "test"}


def patients(sick: int, healthy: int) -> LabelledImages:
    """Patients with ten common lesions each, `sick` of them with a rare one too."""
    images = []
    for patient in range(sick + healthy):
        for view in range(10):
            name = f"{patient:03d}-{view}"
            label = 0 if patient < sick and view == 3 else 1
            images.append(LabelledImage(name, Path(name), label, f"IP_{patient}"))
    return LabelledImages("patients", CLASSES, tuple(images), "patient")


@pytest.mark.parametrize("seed", range(5))
def test_patients_are_split_by_what_is_rarest_in_them(seed: int) -> None:
    data = patients(sick=20, healthy=180)
    split = split_by_lesion(data, seed)
    parts = split.parts().values()
    assert sum(len(lesions(part)) for part in parts) == 200
    assert set().union(*map(lesions, parts)) == lesions(data)
    rare = [sum(image.label == 0 for image in part.images) for part in parts]
    assert [abs(a - b) <= 1 for a, b in zip(rare, (14.6, 2.4, 3), strict=True)] == [True] * 3


def test_every_image_of_a_patient_is_asked_about() -> None:
    """They show different lesions; of a lesion only one image is."""
    for part in split_by_lesion(patients(20, 100), seed=0).parts().values():
        assert len(part.images) == 10 * len(lesions(part))


def test_too_few_patients_of_a_class_are_refused() -> None:
    with pytest.raises(DatasetError, match="patients: too few patients of rare for train"):
        split_by_lesion(patients(2, 50), seed=0)


@needs_ham10000
def test_ham10000_splits_as_it_did_for_the_shipped_model() -> None:
    card = read_model(None, None).card
    assert card is not None
    split = split_by_lesion(open_dataset(HAM10000), card["training"]["seed"])
    assert split.digest() == card["training"]["split_sha256"]


@needs_isic_tables
def test_the_patients_of_the_real_isic2020_table_do_not_cross() -> None:
    data = parse_dataset(ISIC_TABLES / "isic2020_train.csv")[1].data
    split = split_by_lesion(data, seed=1)
    train, validation, test = map(lesions, split.parts().values())
    assert train | validation | test == lesions(data)
    assert len(train) + len(validation) + len(test) == 2_056
    assert sum(len(part.images) for part in split.parts().values()) == 33_126
    melanoma = data.classes.index("mel")
    sick = [
        len({i.lesion_id for i in part.images if i.label == melanoma})
        for part in split.parts().values()
    ]
    assert [round(count / sum(sick), 2) for count in sick] == [0.73, 0.12, 0.15]
