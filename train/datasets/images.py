"""One value describes any labelled image set: paths, labels, groups; and what is wrong with it."""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

import numpy as np

from skinedge.errors import DatasetError

__all__ = [
    "LabelledImage",
    "LabelledImages",
    "Parsed",
    "Problem",
    "check_images",
    "isic_name",
    "problems",
]

# ISIC 2019 has some images smaller than ISIC 2017 has them.
_ISIC_NAME = re.compile(r"(ISIC_\d{7})(_downsampled)?")


def isic_name(text: str | PurePath) -> str | None:
    """ISIC's name in an image's id or the path of its file: of `mel/ISIC_0000001.jpg` too."""
    found = _ISIC_NAME.fullmatch(PurePath(text).stem)
    return found[1] if found else None


@dataclass(frozen=True)
class LabelledImage:
    """One image of one lesion.

    Attributes:
        image_id: the dataset's name for it.
        path: the image file.
        label: index into the set's classes.
        lesion_id: what splits must keep together; the image's own id where the set has none.
        sharp: a sharper copy of the same image, where the set has one.
        mask: the lesion's outline as a 0/255 image, where the set has one.
        attributes: what else the table knows, as text by name: `sex`, `age` (years), `site`,
            `clinic`. A name is missing where the table has no value.
    """

    image_id: str
    path: Path
    label: int
    lesion_id: str
    sharp: Path | None = None
    mask: Path | None = None
    attributes: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def picture(self) -> str:
        """Its name in every set: ISIC's, if its id or its file has one, else its id."""
        return isic_name(self.image_id) or isic_name(self.path) or self.image_id

    @property
    def sharpest(self) -> Path:
        """The sharper copy where there is one."""
        return self.sharp or self.path


@dataclass(frozen=True)
class LabelledImages:
    """A labelled set.

    Attributes:
        name: what messages call it.
        classes: codes in label order.
        images: all of them.
        group: what `lesion_id` names: a "lesion", whose images are views of one thing and have
            one diagnosis; or a "patient" or "group", whose images may have several.
    """

    name: str
    classes: tuple[str, ...]
    images: tuple[LabelledImage, ...]
    group: str = "lesion"

    def labels(self) -> np.ndarray:
        """int64 `[n]`, indices into `classes`."""
        return np.array([image.label for image in self.images], np.int64)

    def having(self, images: Iterable[LabelledImage]) -> LabelledImages:
        """The same set with only these images."""
        return replace(self, images=tuple(images))

    def groups(self) -> dict[str, list[LabelledImage]]:
        """Images by `lesion_id`, each in the set's order."""
        groups: dict[str, list[LabelledImage]] = defaultdict(list)
        for image in self.images:
            groups[image.lesion_id].append(image)
        return dict(groups)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a set.

    Attributes:
        kind: what to count it by.
        subject: the image or group.
        text: one line for people.
        harmless: worth knowing, but it spoils neither a split nor a label.
    """

    kind: str
    subject: str
    text: str
    harmless: bool = False


@dataclass(frozen=True)
class Parsed:
    """What a layout made of a table or folder: the images it labels, and what it could not take."""

    source: Path
    data: LabelledImages
    problems: tuple[Problem, ...] = ()


def problems(data: LabelledImages) -> Iterator[Problem]:
    """Everything wrong with a set that needs no image opened.

    An image named twice, a lesion with several diagnoses (a patient may have them), an image
    that is not there.
    """
    named: dict[str, str] = {}
    for image in data.images:
        name, other = image.image_id, named.get(image.picture)
        if other == name:
            yield Problem("named twice", name, f"names {name} twice")
        elif other:
            text = f"names {image.picture} twice, as {other} and as {name}"
            yield Problem("named twice", name, text)
        named[image.picture] = name
    for lesion, images in data.groups().items() if data.group == "lesion" else ():
        codes = list(dict.fromkeys(data.classes[image.label] for image in images))
        if len(codes) > 1:
            count = "two" if len(codes) == 2 else str(len(codes))
            text = f"lesion {lesion} has {count} diagnoses, {' and '.join(codes)}"
            yield Problem("several diagnoses", lesion, text)
    for image in data.images:
        if not image.path.is_file():
            yield Problem("missing", image.image_id, f"{image.image_id} is not there")


def check_images(parsed: Parsed) -> LabelledImages:
    """The parsed set, if nothing is wrong with it; what is harmless is warned of.

    Raises:
        DatasetError: the first problem; absent images are counted.
    """
    found = []
    for problem in (*parsed.problems, *problems(parsed.data)):
        if problem.harmless:
            warnings.warn(f"{parsed.source}: {problem.text}", stacklevel=2)
        else:
            found.append(problem)
    if not found:
        return parsed.data
    if found[0].kind != "missing":
        raise DatasetError(f"{parsed.source}: {found[0].text}")
    raise DatasetError(
        f"{parsed.source}: names {len(found)} images that are not there, {found[0].subject} "
        "first; unpack the missing image archive beside it"
    )
