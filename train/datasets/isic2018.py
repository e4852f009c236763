"""ISIC 2018 Task 3: the challenge's one-hot table `image,MEL,NV,BCC,AKIEC,BKL,DF,VASC`.

Images may lie beside the table or in any folder below it (https://challenge.isic-archive.com).
Lesions come from `ISIC2018_Task3_Training_LesionGroupings.csv`, where that lies beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from skinedge.errors import DatasetError
from skinedge.lesion import CODES

from .images import Parsed
from .layout import Layout, one_hot, parse_table
from .tables import read_table

__all__ = ["LAYOUT", "parse"]

_COLUMNS = {code.upper(): code for code in CODES}


def _code(row: Mapping[str, str]) -> str:
    code = one_hot(row, _COLUMNS)
    if code is None:
        raise DatasetError("has 0 diagnoses, it must have one")
    return code


def parse(source: Path, _: tuple[str, ...] = CODES) -> Parsed:
    """Label the images of `source`; its classes are HAM10000's seven.

    Raises:
        DatasetError: the table cannot be read, is empty or lacks a column.
    """
    table = read_table(source, ("image", *_COLUMNS))
    return parse_table(table, source.stem, CODES, "image", _code)


def _fits(source: Path) -> bool:
    return source.is_file() and {"image", "MEL"} <= set(read_table(source, limit=1).columns)


LAYOUT = Layout("isic2018", "ISIC 2018 Task 3", _fits, parse)
