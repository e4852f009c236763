"""Look for what is wrong with a labelled set beyond its table: files, duplicates, splits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from skinedge.errors import DatasetError, ImageError
from skinedge.image import MAX_PIXELS, read
from skinedge.image_header import read_header

from .grouping import identical
from .images import LabelledImages, Problem, isic_name
from .labels import TO_ISIC2019
from .merging import shared, union
from .splits import SPLIT_COLUMNS, Split
from .tables import read_table

__all__ = [
    "check_readable",
    "crossing",
    "duplicates",
    "files_of",
    "summary",
    "together",
    "unreadable",
]

# Enough for the header of any JPEG but one with a long preview ahead of its frame.
_HEAD = 1 << 16


def together(sets: Sequence[LabelledImages]) -> tuple[LabelledImages, list[Problem]]:
    """The sets as one, and where they meet; their codes are compared as ISIC 2019's."""
    whole = sets[0]
    found: list[Problem] = []
    for other in sets[1:]:
        found += shared(whole, other, TO_ISIC2019)
        whole = union(whole, other)
    return whole, found


def files_of(data: LabelledImages) -> list[Path]:
    """Every file of the set that is there: images, sharp copies, masks."""
    named = (path for i in data.images for path in (i.path, i.sharp, i.mask) if path)
    return [path for path in dict.fromkeys(named) if path.is_file()]


def _check_header(path: Path) -> None:
    with open(path, "rb") as file:
        head = file.read(_HEAD)
        try:
            header = read_header(head)
        except ImageError:
            header = read_header(head + file.read())
    if header.width * header.height > MAX_PIXELS:
        raise ImageError(f"has {header.width} x {header.height} pixels; make it smaller")


def unreadable(
    files: list[Path], decode: bool = False, progress: Callable[[int], None] | None = None
) -> Iterator[Problem]:
    """Files that are no image by their header, or with `decode` cannot be read to the end.

    Args:
        files: what to read.
        decode: read every pixel, as training will.
        progress: called with 1 after each file.
    """
    for path in files:
        try:
            if decode:
                read(path)
            else:
                _check_header(path)
        except ImageError as error:
            text = str(error) if decode else f"{path}: {error}"
            yield Problem("unreadable", path.stem, text)
        except OSError as error:
            yield Problem("unreadable", path.stem, f"{path}: cannot be read ({error.strerror})")
        if progress:
            progress(1)


def duplicates(data: LabelledImages) -> Iterator[Problem]:
    """Images whose files are identical, byte for byte.

    Two names of one picture may fall on both sides of a split, and may disagree on what it shows;
    harmless where they are of one lesion and agree.
    """
    for same in identical(data):
        groups = {image.lesion_id for image in same}
        labels = sorted({data.classes[image.label] for image in same})
        names = " and ".join(image.image_id for image in same)
        of = f"one {data.group}" if len(groups) == 1 else f"{len(groups)} {data.group}s"
        text = f"{names} are the same file, of {of}, called {' and '.join(labels)}"
        harmless = len(groups) == len(labels) == 1
        yield Problem("duplicate", same[0].image_id, text, harmless)


def check_readable(split: Split) -> list[str]:
    """Look at the headers of the files that a training will read.

    Returns:
        A line for each image of the test part that cannot be read; an evaluation leaves it out.

    Raises:
        DatasetError: an image that is trained or validated on cannot be read.
    """
    parts = split.parts()
    tested = [image.sharpest for image in parts.pop("test").images]
    paths = (path for part in parts.values() for i in part.images for path in (i.path, i.sharp))
    if wrong := list(unreadable([path for path in dict.fromkeys(paths) if path])):
        more = f" ({len(wrong)} such in all)" if len(wrong) > 1 else ""
        raise DatasetError(f"{wrong[0].text}{more}; mend it, or leave it out of the table")
    return [problem.text for problem in unreadable(tested)]


def crossing(data: LabelledImages, split_file: Path) -> Iterator[Problem]:
    """Lesions (or patients) that a split file puts into several parts, and images it alone knows.

    Args:
        data: says which lesion an image shows, whatever the file says.
        split_file: `image_id,lesion_id,dx,split`, as training writes it.

    Raises:
        DatasetError: the file cannot be read, is empty or lacks a column.
    """
    table = read_table(split_file, SPLIT_COLUMNS)
    for line in table.short:
        text = f"{split_file}: line {line} has fewer fields than the header"
        yield Problem("bad row", f"line {line}", text)
    # Of an image in several sets, the file may have the name of either.
    lesion_of = {i.picture: i.lesion_id for i in data.images}
    lesion_of |= {i.image_id: i.lesion_id for i in data.images}
    parts: dict[str, set[str]] = defaultdict(set)
    for row in table.rows:
        image_id = row["image_id"]
        known = image_id if image_id in lesion_of else isic_name(image_id)
        if known not in lesion_of:
            yield Problem("not in the set", image_id, f"{split_file}: {image_id} is not in the set")
        parts[lesion_of.get(known, row["lesion_id"])].add(row["split"])
    for lesion, names in parts.items():
        if len(names) > 1:
            text = f"{split_file}: {data.group} {lesion} is in {' and '.join(sorted(names))}"
            yield Problem("crosses the split", lesion, text)


def summary(data: LabelledImages) -> dict[str, Any]:
    """Counts of everything the set holds, in JSON's types."""
    groups = {(image.lesion_id, image.label) for image in data.images}
    images_of = Counter(image.label for image in data.images)
    groups_of = Counter(label for _, label in groups)
    values: dict[str, Counter[str]] = defaultdict(Counter)
    for image in data.images:
        for name, value in image.attributes.items():
            values[name][value] += 1
    return {
        "name": data.name,
        "images": len(data.images),
        "group": data.group,
        "groups": len({image.lesion_id for image in data.images}),
        "sharp": sum(image.sharp is not None for image in data.images),
        "masks": sum(image.mask is not None for image in data.images),
        "classes": {
            code: {"images": images_of[label], "groups": groups_of[label]}
            for label, code in enumerate(data.classes)
        },
        "attributes": {
            name: {"images": found.total(), "values": dict(found.most_common())}
            for name, found in sorted(values.items())
        },
    }
