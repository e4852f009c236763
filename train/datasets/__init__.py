"""Labelled image sets, one module per public layout; `open_dataset` finds out which it is."""

from __future__ import annotations

from pathlib import Path

from skinedge.errors import DatasetError
from skinedge.lesion import CODES

from . import folder, ham10000, isic2018
from .images import LabelledImage, LabelledImages
from .splits import Split, split_by_lesion, write_split

__all__ = [
    "LabelledImage",
    "LabelledImages",
    "Split",
    "open_dataset",
    "split_by_lesion",
    "write_split",
]


def open_dataset(path: str | Path, classes: tuple[str, ...] = CODES) -> LabelledImages:
    """Open HAM10000's folder, an ISIC 2018 table (or its folder), or class-named folders.

    Raises:
        DatasetError: the path does not exist, or holds none of these.
    """
    root = Path(path)
    if not root.exists():
        raise DatasetError(f"{root}: does not exist; give the folder of a labelled image set")
    if root.is_file():
        return isic2018.load(root)
    if (root / ham10000.METADATA).is_file():
        return ham10000.load(root)
    if table := isic2018.find_table(root):
        return isic2018.load(table)
    return folder.load(root, classes)
