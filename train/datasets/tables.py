"""Read the CSV tables that dermoscopy datasets come with."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from skinedge.errors import DatasetError

__all__ = ["Table", "read_table", "tables_in"]


@dataclass(frozen=True)
class Table:
    """A CSV file.

    Attributes:
        path: the file.
        columns: its header.
        rows: its rows as dictionaries, without the short ones.
        short: line numbers of rows that end before a required column.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    short: tuple[int, ...]


def tables_in(folder: Path) -> list[Path]:
    """The CSV files in a folder, sorted."""
    return sorted(folder.glob("*.csv"))


def read_table(path: Path, required: tuple[str, ...] = (), limit: int | None = None) -> Table:
    """Read a CSV file, or only its first `limit` rows.

    Raises:
        DatasetError: the file is missing, not text, empty, or lacks a required column.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            lines = [(reader.line_num, row) for row in islice(reader, limit)]
            columns = tuple(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot read this table: {error}") from error
    lacking = [name for name in required if name not in columns]
    if lacking:
        raise DatasetError(
            f"{path}: no column {', '.join(lacking)}; it has: {', '.join(columns) or 'none'}"
        )
    if not lines:
        raise DatasetError(f"{path}: the table has no rows")
    short = tuple(line for line, row in lines if any(row[name] is None for name in required))
    rows = (row for line, row in lines if line not in short)
    # Fields that a short row leaves out of the other columns are empty ones.
    return Table(
        path, columns, tuple({k: v or "" for k, v in row.items() if k} for row in rows), short
    )
