"""ISIC 2017 Part 3: melanoma, seborrhoeic keratosis, and nevus for what is neither.

`ISIC-2017_*_Part3_GroundTruth.csv` (image_id, melanoma, seborrheic_keratosis), 0.0 or 1.0 each;
ages and sexes from `*_metadata.csv` beside it. The challenge asks two binary questions, melanoma
against the rest and seborrhoeic keratosis against the rest: `labels.MELANOMA_OR_REST` and
`labels.KERATOSIS_OR_REST` make them of the three classes.
"""

from __future__ import annotations

from pathlib import Path

from .images import Parsed
from .layout import Layout, one_hot, parse_table
from .tables import read_table

__all__ = ["CLASSES", "LAYOUT", "parse"]

CLASSES = ("mel", "sk", "nv")

_COLUMNS = {"melanoma": "mel", "seborrheic_keratosis": "sk"}


def parse(source: Path, _: tuple[str, ...] = CLASSES) -> Parsed:
    """Label the images of `source`.

    Raises:
        DatasetError: the table cannot be read, is empty or lacks a column.
    """
    return parse_table(
        read_table(source, ("image_id", *_COLUMNS)),
        source.stem,
        CLASSES,
        "image_id",
        lambda row: one_hot(row, _COLUMNS) or "nv",
    )


def _fits(source: Path) -> bool:
    return source.is_file() and set(_COLUMNS) <= set(read_table(source, limit=1).columns)


LAYOUT = Layout("isic2017", "ISIC 2017 Part 3", _fits, parse)
