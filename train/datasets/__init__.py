"""Labelled image sets, one module per public layout; `open_dataset` finds out which it is."""

from __future__ import annotations

from pathlib import Path

from skinedge.errors import DatasetError, UsageError
from skinedge.lesion import ALL, CODES

from . import csv_table, folder, ham10000, isic2017, isic2018, isic2019, isic2020
from .images import LabelledImage, LabelledImages, Parsed, Problem, check_images, problems
from .labels import relabel, where
from .layout import Layout
from .merging import merge
from .splits import Split, folds_by_lesion, split_by_lesion, write_split
from .tables import tables_in

__all__ = [
    "LAYOUTS",
    "LabelledImage",
    "LabelledImages",
    "Layout",
    "Parsed",
    "Problem",
    "Split",
    "find_layout",
    "folds_by_lesion",
    "merge",
    "open_dataset",
    "parse_dataset",
    "problems",
    "relabel",
    "split_by_lesion",
    "where",
    "write_split",
]

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        ham10000.LAYOUT,
        isic2017.LAYOUT,
        isic2019.LAYOUT,
        isic2018.LAYOUT,
        isic2020.LAYOUT,
        isic2020.TARGET,
        csv_table.LAYOUT,
        folder.LAYOUT,
    )
}
"""By name; of several that fit a table the first is taken, so the more particular come first."""


def find_layout(
    path: str | Path, name: str | None = None, classes: tuple[str, ...] = tuple(ALL)
) -> tuple[Layout, Path]:
    """The layout at `path` (or the named one), and the table or folder to parse.

    A table that labels no images, or cannot be read, is none beside folders named after `classes`.

    Raises:
        UsageError: no layout has this name.
        DatasetError: the path does not exist, or several tables in it label images.
    """
    if name is not None and name not in LAYOUTS:
        raise UsageError(f"unknown layout {name!r}; there are: {', '.join(LAYOUTS)}")
    layouts = list(LAYOUTS.values()) if name is None else [LAYOUTS[name]]
    root = Path(path)
    if not root.exists():
        raise DatasetError(f"{root}: does not exist; give the folder of a labelled image set")
    tables = [root] if root.is_file() else tables_in(root)
    if root / ham10000.METADATA in tables:
        tables = [root / ham10000.METADATA]  # says which set this is, whatever lies beside it
    if layouts != [folder.LAYOUT]:
        fits = [(x, table) for table in tables if (x := _first_fit(layouts, table))]
        if len(fits) > 1:
            names = " and ".join(table.name for _, table in fits[:2])
            raise DatasetError(f"{root}: both {names} label images; name one of them")
        if fits:
            return fits[0]
        stray = name is None and root.is_dir() and folder.has_class_folders(root, classes)
        if len(tables) == 1 and not stray:  # which then says what it lacks
            return (csv_table.LAYOUT if name is None else layouts[0]), tables[0]
    if name not in (None, folder.LAYOUT.name) or root.is_file():
        raise DatasetError(f"{root}: holds no table of {layouts[0].title}")
    return folder.LAYOUT, root


def _first_fit(layouts: list[Layout], table: Path) -> Layout | None:
    try:
        return next((layout for layout in layouts if layout.fits(table)), None)
    except DatasetError:  # it cannot be read
        return None


def parse_dataset(
    path: str | Path, classes: tuple[str, ...] = CODES, layout: str | None = None
) -> tuple[Layout, Parsed]:
    """What `open_dataset` opens, with the problems that it would raise; for a check of all.

    Raises:
        DatasetError: there is nothing to parse.
    """
    found, source = find_layout(path, layout, classes)
    return found, found.parse(source, classes)


def open_dataset(
    path: str | Path, classes: tuple[str, ...] = CODES, layout: str | None = None
) -> LabelledImages:
    """Open a labelled set: a public one in its official layout, a table, or class-named folders.

    Args:
        path: a folder, or a table.
        classes: of a table of one's own, or of class-named folders; public sets have their own.
        layout: a name in `LAYOUTS`; found out if not given.

    Raises:
        DatasetError: the path does not exist, holds none of these, or holds a broken one.
        UsageError: no layout has this name.
    """
    return check_images(parse_dataset(path, classes, layout)[1])
