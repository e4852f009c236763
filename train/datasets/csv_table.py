"""Any table with a diagnosis for each image: `image_id,dx`, or `image,label,group`.

Images may lie beside the table or in any folder below it; it names them by id, or by file. A
column `group`, `patient_id` or `lesion_id` says what splits keep together, and the columns of
`attributes.ATTRIBUTES` are taken too.
"""

from __future__ import annotations

from pathlib import Path

from skinedge.lesion import CODES

from .images import Parsed
from .layout import IMAGE_COLUMNS, Layout, diagnosis, first_column, parse_table
from .tables import read_table

__all__ = ["LAYOUT", "parse"]

_LABEL_COLUMNS = ("dx", "label")


def _columns(source: Path) -> tuple[str, str] | None:
    columns = read_table(source, limit=1).columns
    image, label = first_column(columns, IMAGE_COLUMNS), first_column(columns, _LABEL_COLUMNS)
    return (image, label) if image and label else None


def parse(source: Path, classes: tuple[str, ...] = CODES) -> Parsed:
    """Label the images of `source`, whose diagnoses are codes of `classes` in any case.

    Raises:
        DatasetError: the table cannot be read, is empty or lacks a column.
    """
    image, label = _columns(source) or ("image_id", "dx")
    table = read_table(source, (image, label))
    return parse_table(
        table, source.stem, classes, image, lambda row: diagnosis(row[label], classes)
    )


LAYOUT = Layout(
    "csv",
    "a table of images and diagnoses",
    lambda source: source.is_file() and _columns(source) is not None,
    parse,
)
