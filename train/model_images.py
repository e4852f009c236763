"""The images to ask a model file about: of the split it was trained on, or of any other set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

from skinedge.errors import DatasetError, UsageError
from skinedge.model_file import ModelFile

from .datasets import merge, open_dataset
from .datasets.images import LabelledImages
from .datasets.splits import Split
from .partition import Partition

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


def images_for(
    file: ModelFile, data: Sequence[Path], part: str = "all"
) -> tuple[LabelledImages, bool]:
    """What to ask one model about.

    Args:
        file: the model's.
        data: folders of labelled images, which together are one set.
        part: `train`, `validation` or `test` of the set the model was trained on; `all` of any.

    Returns:
        The images, and whether the set is the one the model was trained on.

    Raises:
        UsageError: a part was asked for, of a set that the model was not trained on.
        DatasetError: see `open_dataset`.
    """
    card = file.card or {}
    if "partition" in card.get("training", {}):
        partition = Partition.of(card["training"])
        raw = partition.open(*data)
        own, images = _own_split(raw, card), replace(partition, clinic="").images(raw)
    else:
        codes = tuple(label.code for label in file.labels)
        images = reduce(merge, (open_dataset(path, codes) for path in data))
        own = _own_split(images, card)
    if part == "all":
        return images, own is not None
    if own is None:
        named = " + ".join(map(str, data))
        raise UsageError(f"{named}: not the set {file.path} was trained on; use --split all")
    return own.parts()[part], True
