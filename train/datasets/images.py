"""One value describes any labelled image set: paths, labels, lesion groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skinedge.errors import DatasetError

__all__ = ["LabelledImage", "LabelledImages", "require_present"]


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


def require_present(table: Path, images: Iterable[LabelledImage]) -> None:
    """Raise DatasetError when a table names images that are not there."""
    absent = [image.image_id for image in images if not image.path.is_file()]
    if absent:
        raise DatasetError(
            f"{table}: names {len(absent)} images that are not there, {absent[0]} first; "
            "unpack the missing image archive beside it"
        )
