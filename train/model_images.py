"""The images to ask a model file about: of the split it was trained on, or of any other set."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

from skinedge.errors import DatasetError, UsageError
from skinedge.model_file import ModelFile

from .datasets import merge, open_dataset
from .datasets.images import LabelledImages
from .datasets.splits import Split
from .partition import Partition, layout_of_each

__all__ = ["images_for"]


def _own_split(images: LabelledImages, card: dict[str, Any]) -> Split | None:
    """The split the model was trained on, if these are its images."""
    if "training" not in card:
        return None
    try:
        split = Partition.of(card["training"])(images)
    except (DatasetError, UsageError):  # too small a set, or of other diagnoses: another one
        return None
    return split if split.digest() == card["training"]["split_sha256"] else None


def _opened(
    card: dict[str, Any], data: Sequence[Path], layout: str
) -> tuple[LabelledImages, Split | None]:
    """The set, and its split if the model was trained on it.

    The layout that training was told counts for its own set alone; another is found out.
    """
    partition = Partition.of(card["training"])
    if partition.layout and not layout:
        with warnings.catch_warnings(), suppress(DatasetError, UsageError):
            warnings.simplefilter("ignore")  # training has said it
            images = partition.open(*data)
            if own := _own_split(images, card):
                return images, own
    images = replace(partition, layout=layout).open(*data)
    return images, _own_split(images, card)


def _labelled_with(codes: tuple[str, ...], data: Sequence[Path], layout: str) -> LabelledImages:
    """The set, its classes called as these codes are: `MEL` where a model of others says so."""
    written = {code.lower(): code for code in codes}
    sets = []
    for path, name in zip(data, layout_of_each(layout, len(data)), strict=True):
        images = open_dataset(path, codes, name or None)
        classes = tuple(written.get(code.lower(), code) for code in images.classes)
        sets.append(replace(images, classes=classes))
    return reduce(merge, sets)


def images_for(
    file: ModelFile, data: Sequence[Path], part: str = "all", layout: str = ""
) -> tuple[LabelledImages, bool]:
    """What to ask one model about.

    Args:
        file: the model's.
        data: folders of labelled images, which together are one set.
        part: `train`, `validation` or `test` of the set the model was trained on; `all` of any.
        layout: how they are read, see `layout_of_each`. If empty, the model's own set is read as
            in training, and the layout of another is found out.

    Returns:
        The images, and whether the set is the one the model was trained on.

    Raises:
        UsageError: a part was asked for, of a set that the model was not trained on; there is no
            such layout, or not one for each folder.
        DatasetError: see `open_dataset`.
    """
    card = file.card or {}
    if "partition" in card.get("training", {}):
        raw, own = _opened(card, data, layout)
        images = replace(Partition.of(card["training"]), clinic="").images(raw)
    else:
        images = _labelled_with(tuple(label.code for label in file.labels), data, layout)
        own = _own_split(images, card)
    if part == "all":
        return images, own is not None
    if own is None:
        named = " + ".join(map(str, data))
        raise UsageError(f"{named}: not the set {file.path} was trained on; use --split all")
    return own.parts()[part], True
