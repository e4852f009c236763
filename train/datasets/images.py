"""One value describes any labelled image set: paths, labels, lesion groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skinedge.errors import DatasetError

__all__ = ["LabelledImage", "LabelledImages", "check_images"]


@dataclass(frozen=True)
class LabelledImage:
    """One image of one lesion.

    Attributes:
        image_id: the dataset's name for it.
        path: the image file.
        label: index into the set's classes.
        lesion_id: what splits must keep together; the image's own id where the set has none.
        sharp: a sharper copy of the same image, where the set has one.
    """

    image_id: str
    path: Path
    label: int
    lesion_id: str
    sharp: Path | None = None

    @property
    def sharpest(self) -> Path:
        """The sharper copy where there is one."""
        return self.sharp or self.path


@dataclass(frozen=True)
class LabelledImages:
    """A labelled set: its name, class codes in label order, and its images."""

    name: str
    classes: tuple[str, ...]
    images: tuple[LabelledImage, ...]

    def labels(self) -> np.ndarray:
        """int64 `[n]`, indices into `classes`."""
        return np.array([image.label for image in self.images], np.int64)

    def having(self, images: Iterable[LabelledImage]) -> LabelledImages:
        """The same set with only these images."""
        return LabelledImages(self.name, self.classes, tuple(images))


def check_images(table: Path, classes: tuple[str, ...], images: Iterable[LabelledImage]) -> None:
    """Check what every table must hold.

    Raises:
        DatasetError: an image is named twice or is not there, or a lesion has two diagnoses.
    """
    seen: set[str] = set()
    label_of: dict[str, int] = {}
    absent = []
    for image in images:
        if image.image_id in seen:
            raise DatasetError(f"{table}: names {image.image_id} twice")
        seen.add(image.image_id)
        label = label_of.setdefault(image.lesion_id, image.label)
        if label != image.label:
            raise DatasetError(
                f"{table}: lesion {image.lesion_id} has two diagnoses, "
                f"{classes[label]} and {classes[image.label]}"
            )
        if not image.path.is_file():
            absent.append(image.image_id)
    if absent:
        raise DatasetError(
            f"{table}: names {len(absent)} images that are not there, {absent[0]} first; "
            "unpack the missing image archive beside it"
        )
