"""Train, validation and test, and folds, split by lesion or patient, stratified by diagnosis."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sklearn.model_selection import StratifiedKFold, train_test_split

from skinedge.errors import DatasetError, UsageError
from skinedge.lesion import ALL

from .images import LabelledImage, LabelledImages

__all__ = ["SPLIT_COLUMNS", "Split", "folds_by_lesion", "split_by_lesion", "write_split"]

SPLIT_COLUMNS = ("image_id", "lesion_id", "dx", "split")


@dataclass(frozen=True)
class Split:
    """Three parts of one set that share no lesion, and where patients are known no patient.

    `train` holds every image of its lesions; `validation` and `test` hold one image per lesion
    (a sharp copy where the lesion has one), so that a much-photographed lesion counts once. Of
    a patient they hold every image: those show different lesions.
    """

    train: LabelledImages
    validation: LabelledImages
    test: LabelledImages

    def parts(self) -> dict[str, LabelledImages]:
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def digest(self) -> str:
        """sha256 over part names and lesions: two equal digests are the same split.

        Which image stands for a lesion is left out: a copy of the dataset without the sharp
        images splits alike.
        """
        lines = sorted(
            {f"{name},{i.lesion_id}\n" for name, part in self.parts().items() for i in part.images}
        )
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def _one_image(images: list[LabelledImage]) -> LabelledImage:
    return next((image for image in images if image.sharp), images[0])


def _strata(data: LabelledImages) -> dict[str, int]:
    """The diagnosis each group is counted as: of a patient's, a malignant one, then the rarest.

    A patient with one melanoma among a hundred naevi is a melanoma patient; counted as naevus,
    chance alone would spread the few melanomas over the parts.
    """
    labels = {name: {image.label for image in images} for name, images in data.groups().items()}
    count = Counter(label for found in labels.values() for label in found)
    benign = [not (code in ALL and ALL[code].malignant) for code in data.classes]
    return {
        name: min(found, key=lambda label: (benign[label], count[label], label))
        for name, found in labels.items()
    }


def _divide(
    data: LabelledImages, groups: list[str], strata: dict[str, int], share: float, seed: int
) -> tuple[list[str], list[str]]:
    try:
        rest, part = train_test_split(
            groups, test_size=share, stratify=[strata[name] for name in groups], random_state=seed
        )
    except ValueError as error:
        raise DatasetError(f"{data.name}: cannot split by {data.group}: {error}") from error
    return sorted(rest), sorted(part)


def _split(
    data: LabelledImages,
    groups: dict[str, list[LabelledImage]],
    train: Iterable[str],
    validation: Iterable[str],
    test: Iterable[str],
) -> Split:
    def every_image(names: Iterable[str]) -> LabelledImages:
        return data.having(image for name in names for image in groups[name])

    def asked(names: Iterable[str]) -> LabelledImages:
        if data.group != "lesion":
            return every_image(names)
        return data.having(_one_image(groups[name]) for name in names)

    split = Split(every_image(train), asked(validation), asked(test))
    for part in split.parts().values():
        absent = {image.label for image in data.images} - {image.label for image in part.images}
        if absent:
            codes = ", ".join(data.classes[label] for label in sorted(absent))
            raise DatasetError(
                f"{data.name}: too few {data.group}s of {codes} for train, validation and test; "
                "add images, or leave these out"
            )
    return split


def split_by_lesion(
    data: LabelledImages, seed: int, validation: float = 0.12, test: float = 0.15
) -> Split:
    """Split lesions, not images; the same data and seed always give the same split.

    Where the set keeps patients together, patients are split.

    Args:
        data: the whole set.
        seed: any non-negative integer.
        validation: share of lesions, 0 to 1.
        test: share of lesions, 0 to 1.

    Raises:
        DatasetError: a class has too few lesions to appear in every part.
    """
    groups = data.groups()
    strata = _strata(data)
    rest, test_groups = _divide(data, sorted(groups), strata, test, seed)
    train_groups, validation_groups = _divide(data, rest, strata, validation / (1 - test), seed)
    return _split(data, groups, train_groups, validation_groups, test_groups)


def folds_by_lesion(
    data: LabelledImages, folds: int, seed: int, validation: float = 0.12
) -> list[Split]:
    """Splits for cross-validation: every lesion (or patient) is in exactly one test part.

    Each fold's validation part comes out of what it does not test. The same data and seed always
    give the same folds.

    Args:
        data: the whole set.
        folds: how many, at least 2.
        seed: any non-negative integer.
        validation: share of all lesions that each fold validates with, 0 to 1 - 1 / folds.

    Raises:
        UsageError: fewer than two folds, or no lesions left to train with.
        DatasetError: a class has too few lesions to appear in every part of every fold.
    """
    if folds < 2:
        raise UsageError(f"{folds} folds: at least 2 are needed")
    share = validation / (1 - 1 / folds)
    if not 0 < share < 1:
        raise UsageError(f"a validation share of {validation} leaves nothing beside {folds} folds")
    groups = data.groups()
    strata = _strata(data)
    names = sorted(groups)
    rarest, count = min(Counter(strata.values()).items(), key=lambda item: (item[1], item[0]))
    if count < folds:
        raise DatasetError(
            f"{data.name}: {count} {data.group}s of {data.classes[rarest]} are too few for "
            f"{folds} folds; make fewer folds, add images, or leave these out"
        )
    # One row per group, so that no group can cross whatever its number of images.
    parting = StratifiedKFold(folds, shuffle=True, random_state=seed)
    splits = []
    for rest, test in parting.split(names, [strata[name] for name in names]):
        train_groups, validation_groups = _divide(
            data, [names[index] for index in rest], strata, share, seed
        )
        test_groups = [names[index] for index in test]
        splits.append(_split(data, groups, train_groups, validation_groups, test_groups))
    return splits


def write_split(path: Path, split: Split) -> None:
    """Write `image_id,lesion_id,dx,split`, one line per image used."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(SPLIT_COLUMNS)
        for name, part in split.parts().items():
            for image in part.images:
                writer.writerow((image.image_id, image.lesion_id, part.classes[image.label], name))
