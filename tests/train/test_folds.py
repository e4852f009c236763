"""Cross-validation folds: no lesion or patient crosses, every one is tested once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from real_data import ISIC_TABLES, needs_isic_tables

from skinedge.errors import DatasetError, UsageError
from skinedge.train.datasets import (
    LabelledImage,
    LabelledImages,
    Split,
    folds_by_lesion,
    open_dataset,
    parse_dataset,
)

CLASSES = ("rare", "common")


def made_up(rare: int, common: int, group: str = "lesion") -> LabelledImages:
    """Lesions with two or three images; as patients, the last image of a rare one is common."""
    images = []
    for number in range(rare + common):
        for view in range(2 + number % 2):
            label = 0 if number < rare and (group == "lesion" or view == 0) else 1
            name = f"{number:03d}-{view}"
            images.append(LabelledImage(name, Path(name), label, f"{group}{number}"))
    return LabelledImages("made up", CLASSES, tuple(images), group)


def groups(part: LabelledImages) -> set[str]:
    return {image.lesion_id for image in part.images}


def check(data: LabelledImages, splits: list[Split]) -> None:
    tested: Counter[str] = Counter()
    for split in splits:
        train, validation, test = map(groups, split.parts().values())
        assert not train & validation
        assert not train & test
        assert not validation & test
        assert train | validation | test == groups(data)
        tested.update(test)
    assert tested == dict.fromkeys(groups(data), 1)


@pytest.mark.parametrize("group", ["lesion", "patient"])
@pytest.mark.parametrize("folds", [2, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_group_crosses_and_every_group_is_tested_once(group: str, folds: int, seed: int) -> None:
    data = made_up(25, 120, group)
    splits = folds_by_lesion(data, folds, seed)
    assert len(splits) == folds
    check(data, splits)


def test_folds_are_stratified_and_validate_with_their_share() -> None:
    for split in folds_by_lesion(made_up(25, 225), 5, seed=3, validation=0.16):
        assert [len(groups(part)) for part in split.parts().values()] == [160, 40, 50]
        rare = [
            len({i.lesion_id for i in part.images if i.label == 0})
            for part in split.parts().values()
        ]
        assert rare == [16, 4, 5]


def test_a_lesion_is_asked_about_once_but_trained_with_every_image() -> None:
    data = made_up(25, 120)
    for split in folds_by_lesion(data, 3, seed=0):
        assert len(split.test.images) == len(groups(split.test))
        assert len(split.validation.images) == len(groups(split.validation))
        assert len(split.train.images) > 2 * len(groups(split.train))


def test_equal_seeds_give_equal_folds() -> None:
    data = made_up(25, 120)
    shuffled = data.having(reversed(data.images))
    one, again, mixed, other = (
        [split.digest() for split in folds_by_lesion(images, 4, seed)]
        for images, seed in ((data, 7), (data, 7), (shuffled, 7), (data, 8))
    )
    assert one == again == mixed
    assert not set(one) & set(other)
    assert len(set(one)) == 4


def test_impossible_folds_are_refused() -> None:
    with pytest.raises(UsageError, match="1 folds: at least 2"):
        folds_by_lesion(made_up(25, 120), 1, seed=0)
    with pytest.raises(UsageError, match=r"validation share of 0\.5 leaves nothing beside 2 folds"):
        folds_by_lesion(made_up(25, 120), 2, seed=0, validation=0.5)
    with pytest.raises(DatasetError, match="made up: 4 lesions of rare are too few for 5 folds"):
        folds_by_lesion(made_up(4, 120), 5, seed=0)
    with pytest.raises(DatasetError, match="made up: too few lesions of rare for train"):
        folds_by_lesion(made_up(3, 120), 3, seed=0)


def test_a_drawn_dataset_folds(ham10000: Path) -> None:
    data = open_dataset(ham10000)
    check(data, folds_by_lesion(data, 3, seed=1))


@needs_isic_tables
def test_the_real_patients_of_isic2020_fold() -> None:
    data = parse_dataset(ISIC_TABLES / "isic2020_train.csv")[1].data
    splits = folds_by_lesion(data, 5, seed=1)
    check(data, splits)
    melanoma = data.classes.index("mel")
    found = [sum(image.label == melanoma for image in split.test.images) for split in splits]
    assert sum(found) == 584
    assert min(found) > 90
