"""Read the CSV tables that dermoscopy datasets come with."""

from __future__ import annotations

import csv
from pathlib import Path

from skinedge.errors import DatasetError

__all__ = ["read_table"]


def read_table(path: Path, required: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows of a CSV file as dictionaries.

    Raises:
        DatasetError: the file is missing, not text, empty, or lacks a required column.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            columns = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot read this table: {error}") from error
    lacking = [name for name in required if name not in columns]
    if lacking:
        raise DatasetError(
            f"{path}: no column {', '.join(lacking)}; it has: {', '.join(columns) or 'none'}"
        )
    if not rows:
        raise DatasetError(f"{path}: the table has no rows")
    short = next((i for i, row in enumerate(rows, 2) if any(row[c] is None for c in required)), 0)
    if short:
        raise DatasetError(f"{path}: line {short} has fewer fields than the header")
    return rows
