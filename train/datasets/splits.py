"""Train, validation and test, split by lesion and stratified by diagnosis."""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from sklearn.model_selection import train_test_split

from skinedge.errors import DatasetError

from .images import LabelledImage, LabelledImages

__all__ = ["Split", "split_by_lesion", "write_split"]


@dataclass(frozen=True)
class Split:
    """Three parts of one set that share no lesion.

    `train` holds every image of its lesions; `validation` and `test` hold one image per lesion
    (a sharp copy where the lesion has one), so that a much-photographed lesion counts once.
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


def split_by_lesion(
    data: LabelledImages, seed: int, validation: float = 0.12, test: float = 0.15
) -> Split:
    """Split lesions, not images; the same data and seed always give the same split.

    Args:
        data: the whole set.
        seed: any non-negative integer.
        validation: share of lesions, 0 to 1.
        test: share of lesions, 0 to 1.

    Raises:
        DatasetError: a class has too few lesions to appear in every part.
    """
    by_lesion: dict[str, list[LabelledImage]] = defaultdict(list)
    for image in data.images:
        by_lesion[image.lesion_id].append(image)
    lesions = sorted(by_lesion)
    label_of = {lesion: by_lesion[lesion][0].label for lesion in lesions}

    def divide(from_lesions: list[str], share: float) -> tuple[list[str], list[str]]:
        strata = [label_of[lesion] for lesion in from_lesions]
        try:
            rest, part = train_test_split(
                from_lesions, test_size=share, stratify=strata, random_state=seed
            )
        except ValueError as error:
            raise DatasetError(f"{data.name}: cannot split by lesion: {error}") from error
        return sorted(rest), sorted(part)

    rest, test_lesions = divide(lesions, test)
    train_lesions, validation_lesions = divide(rest, validation / (1 - test))
    for part in (train_lesions, validation_lesions, test_lesions):
        absent = set(label_of.values()) - {label_of[lesion] for lesion in part}
        if absent:
            codes = ", ".join(data.classes[label] for label in sorted(absent))
            raise DatasetError(
                f"{data.name}: too few lesions of {codes} for train, validation and test; "
                "add images, or leave these out"
            )
    return Split(
        data.having(image for lesion in train_lesions for image in by_lesion[lesion]),
        data.having(_one_image(by_lesion[lesion]) for lesion in validation_lesions),
        data.having(_one_image(by_lesion[lesion]) for lesion in test_lesions),
    )


def write_split(path: Path, split: Split) -> None:
    """Write `image_id,lesion_id,dx,split`, one line per image used."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("image_id", "lesion_id", "dx", "split"))
        for name, part in split.parts().items():
            for image in part.images:
                writer.writerow((image.image_id, image.lesion_id, part.classes[image.label], name))
