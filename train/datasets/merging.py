"""Several labelled sets as one: every image once, every group whole.

ISIC's names are the same picture everywhere, in a table or of a file in a class's folder: all of
HAM10000 is part of ISIC 2019. Where an image is in both sets, its groups in either are one group,
with all that belongs to them, so that no split can part what either set keeps together.
"""

from __future__ import annotations

import filecmp
from collections.abc import Iterator, Mapping
from dataclasses import replace

from skinedge.errors import DatasetError

from .grouping import joined, regrouped
from .images import LabelledImage, LabelledImages, Problem, isic_name
from .labels import relabel

__all__ = ["merge", "shared", "union"]


def _same_picture(one: LabelledImage, other: LabelledImage) -> bool:
    """Two images of one name; a camera's IMG_0001 is another picture in every folder."""
    if isic_name(one.picture):
        return True
    files = (one.path, other.path)
    return all(path.is_file() for path in files) and filecmp.cmp(*files, shallow=False)


def shared(
    one: LabelledImages, other: LabelledImages, becomes: Mapping[str, str | None]
) -> Iterator[Problem]:
    """Images that are in both sets, which is harmless where both say the same of them; and
    lesions that get several diagnoses.

    Args:
        one, other: two sets.
        becomes: codes that a task takes for another one; see `labels.relabel`.
    """

    def diagnosis(data: LabelledImages, image: LabelledImage) -> str | None:
        code = data.classes[image.label]
        return becomes.get(code, code)

    theirs = {image.picture: image for image in other.images}
    for image in one.images:
        twin = theirs.get(image.picture)
        if twin is None:
            continue
        name, codes = image.image_id, (one.classes[image.label], other.classes[twin.label])
        where = f"{name} is in {one.name} and in {other.name}"
        if not _same_picture(image, twin):
            text = f"{where}, and is not the same picture; rename it in one of them"
            yield Problem("one name, two images", name, text)
        elif diagnosis(one, image) != diagnosis(other, twin):
            text = f"{where}, as {codes[0]} and as {codes[1]}; leave it out of one of them"
            yield Problem("several diagnoses", name, text)
        else:
            yield Problem("in both sets", name, f"{where}; it is taken once", harmless=True)
    together = union(one, other)
    named = one.groups().keys() & other.groups().keys() if together.group == "lesion" else set()
    for lesion, images in together.groups().items():
        if lesion in named and len({diagnosis(together, image) for image in images}) > 1:
            text = f"{one.name} and {other.name} call lesions of different diagnoses {lesion}"
            yield Problem("several diagnoses", lesion, text)


def _in_classes(data: LabelledImages, classes: tuple[str, ...]) -> tuple[LabelledImage, ...]:
    return relabel(data, {}, classes).images if data.images else ()


def union(one: LabelledImages, other: LabelledImages) -> LabelledImages:
    """Both sets in one, ordered by image id; see `merge` for what is checked first.

    Of an image in both, the label and file are those of `one`; a sharp copy, a mask or an
    attribute that only `other` has is taken from there. A group that both name is one group. If
    either set keeps patients together, so does the result: its groups may hold several diagnoses.
    Either may be empty.
    """
    classes = tuple(dict.fromkeys((*one.classes, *other.classes)))
    images = {image.picture: image for image in _in_classes(other, classes)}
    pairs = []
    for image in _in_classes(one, classes):
        twin = images.get(image.picture, image)
        pairs.append((image.lesion_id, twin.lesion_id))
        images[image.picture] = replace(
            image,
            sharp=image.sharp or twin.sharp,
            mask=image.mask or twin.mask,
            attributes={**twin.attributes, **image.attributes},
        )
    return LabelledImages(
        f"{one.name} + {other.name}",
        classes,
        regrouped((image for _, image in sorted(images.items())), joined(pairs)),
        next((data.group for data in (one, other) if data.group != "lesion"), "lesion"),
    )


def merge(
    one: LabelledImages,
    other: LabelledImages,
    becomes: Mapping[str, str | None] | None = None,
) -> LabelledImages:
    """Both sets in one; see `union`.

    Args:
        one, other: two sets, of any classes.
        becomes: codes that a task takes for another one, which are then no disagreement.

    Raises:
        DatasetError: an image, or a lesion, is in both with another diagnosis; or two pictures
            have one name.
    """
    wrong = [problem for problem in shared(one, other, becomes or {}) if not problem.harmless]
    if wrong:
        more = f" ({len(wrong)} such in all)" if len(wrong) > 1 else ""
        raise DatasetError(f"{wrong[0].text}{more}")
    return union(one, other)
