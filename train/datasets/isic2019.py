"""ISIC 2019: eight diagnoses, as the challenge's one-hot table or with one diagnosis column.

`ISIC_2019_*_GroundTruth.csv` (image, MEL, NV, BCC, AK, BKL, DF, VASC, SCC, UNK), with lesions,
ages, sexes and sites from `ISIC_2019_*_Metadata.csv` beside it; or a table with the columns of
ISIC 2020 (image_name, diagnosis, ...) and diagnoses NV, MEL, ... That one names no patients:
patient_id is -1 throughout, and every image stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from skinedge.errors import DatasetError

from .images import Parsed
from .layout import Layout, diagnosis, flag, one_hot, parse_table
from .tables import read_table

__all__ = ["CLASSES", "LAYOUT", "WITH_UNKNOWN", "parse"]

CLASSES = ("ak", "bcc", "bkl", "df", "mel", "nv", "scc", "vasc")
WITH_UNKNOWN = ("ak", "bcc", "bkl", "df", "mel", "nv", "scc", "unk", "vasc")

_COLUMNS = {code.upper(): code for code in CLASSES}


def parse(source: Path, _: tuple[str, ...] = CLASSES) -> Parsed:
    """Label the images of `source`.

    Its classes are the eight; the nine with `unk` if it holds images of the challenge's UNK,
    which only the test set does.

    Raises:
        DatasetError: the table cannot be read, is empty or lacks a column.
    """
    if "image_name" in read_table(source, limit=1).columns:
        table = read_table(source, ("image_name", "diagnosis"))
        return parse_table(
            table,
            source.stem,
            CLASSES,
            "image_name",
            lambda row: diagnosis(row["diagnosis"], CLASSES),
        )
    table = read_table(source, ("image", *_COLUMNS))
    columns = _COLUMNS | ({"UNK": "unk"} if "UNK" in table.columns else {})

    def code(row: Mapping[str, str]) -> str:
        found = one_hot(row, columns)
        if found is None:
            raise DatasetError("has 0 diagnoses, it must have one")
        return found

    unknown = "UNK" in columns and any(_is_unknown(row) for row in table.rows)
    return parse_table(table, source.stem, WITH_UNKNOWN if unknown else CLASSES, "image", code)


def _is_unknown(row: Mapping[str, str]) -> bool:
    try:
        return flag(row["UNK"])
    except (DatasetError, ValueError):  # reported when the row is parsed
        return False


def _fits(source: Path) -> bool:
    if not source.is_file():
        return False
    head = read_table(source, limit=1)
    columns = set(head.columns)
    return {"image", "MEL", "AK"} <= columns or (
        # ISIC 2020 has the same columns and says `melanoma` where this set says MEL.
        {"image_name", "diagnosis"} <= columns
        and all(row["diagnosis"].strip().lower() in CLASSES for row in head.rows)
    )


LAYOUT = Layout("isic2019", "ISIC 2019", _fits, parse)
