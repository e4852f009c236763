"""Groups that belong together: they share an image, or the very file of one."""

from __future__ import annotations

import hashlib
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from .images import LabelledImage, LabelledImages

__all__ = ["identical", "joined", "keep_identical_together", "regrouped"]


def joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Group -> the group it is part of now, of groups that are one by twos: called as the first
    of them by name is, so that the order of the pairs does not matter."""
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        while (above := parent.get(group, group)) != group:
            group = above
        return group

    for pair in pairs:
        first, second = sorted(map(root, pair))
        parent[second] = first
    return {group: root(group) for group in parent}


def regrouped(
    images: Iterable[LabelledImage], group_of: dict[str, str]
) -> tuple[LabelledImage, ...]:
    """The images in the groups that theirs are part of now."""
    return tuple(
        replace(image, lesion_id=group_of.get(image.lesion_id, image.lesion_id)) for image in images
    )


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:  # found unreadable elsewhere; like no other file
        return str(path).encode()


def identical(data: LabelledImages) -> Iterator[list[LabelledImage]]:
    """Two or more images each whose files are the same, byte for byte, under several names.

    Only files of one size are read.
    """
    by_size: dict[int, list[LabelledImage]] = defaultdict(list)
    for image in data.images:
        if image.path.is_file():
            by_size[image.path.stat().st_size].append(image)
    for images in by_size.values():
        if len(images) < 2:
            continue
        by_content: dict[bytes, list[LabelledImage]] = defaultdict(list)
        for image in images:
            by_content[_digest(image.path)].append(image)
        # One file under one name is a name given twice, which is another problem.
        yield from (
            same for same in by_content.values() if len({image.image_id for image in same}) > 1
        )


def keep_identical_together(data: LabelledImages) -> LabelledImages:
    """The set with identical images in one group, so that no split can part them; warns of those
    that no table keeps together."""
    apart = [same for same in identical(data) if len({image.lesion_id for image in same}) > 1]
    if not apart:
        return data
    count = sum(map(len, apart))
    warnings.warn(
        f"{data.name}: {count} images are the same file as one of another {data.group}, "
        f"{apart[0][0].image_id} first; they are kept in one part (skinedge data check names them)",
        stacklevel=2,
    )
    pairs = ((one.lesion_id, other.lesion_id) for same in apart for one, other in pairwise(same))
    return data.having(regrouped(data.images, joined(pairs)))
