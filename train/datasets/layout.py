"""What a public layout is, and how a table of any layout becomes labelled images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from skinedge.errors import DatasetError
from skinedge.image_folder import SUFFIXES

from .attributes import ATTRIBUTES, attributes_of, known
from .files import Files, files_below
from .images import LabelledImage, LabelledImages, Parsed, Problem, isic_name
from .tables import Table, read_table, tables_in

__all__ = [
    "IMAGE_COLUMNS",
    "Layout",
    "diagnosis",
    "first_column",
    "flag",
    "one_hot",
    "parse_table",
]

IMAGE_COLUMNS = ("image_id", "image", "image_name", "isic_id")

# What splits keep together, the coarsest first: a patient's lesions resemble each other.
_GROUP_COLUMNS = {"patient_id": "patient", "group": "group", "lesion_id": "lesion"}

# A table with one of these labels images itself: what it keeps together is a set of its own.
_LABEL_COLUMNS = {"dx", "label", "diagnosis", "target", "melanoma", "MEL"}


@dataclass(frozen=True)
class Layout:
    """One public layout.

    Attributes:
        name: what `--layout` calls it.
        title: what people call it.
        fits: whether a table, or a folder, is of this layout.
        parse: make labelled images of it; where the layout leaves the classes open, of these.
    """

    name: str
    title: str
    fits: Callable[[Path], bool]
    parse: Callable[[Path, tuple[str, ...]], Parsed]


def first_column(columns: tuple[str, ...], names: tuple[str, ...]) -> str | None:
    """The first of `names` that is a column."""
    return next((name for name in names if name in columns), None)


def diagnosis(text: str, classes: tuple[str, ...]) -> str:
    """The one of `classes` that a cell or a folder is called, in any case; else the text."""
    said = text.strip().lower()
    return next((code for code in classes if code.lower() == said), said)


def flag(text: str) -> bool:
    """A cell that must be 0 or 1, also written 0.0 or 1.0.

    Raises:
        DatasetError: it is another number.
        ValueError: it is no number.
    """
    number = float(text)
    if number not in (0.0, 1.0):
        raise DatasetError(f"has {text} where 0 or 1 belongs")
    return number == 1.0


def one_hot(row: Mapping[str, str], columns: Mapping[str, str]) -> str | None:
    """The code whose column holds 1, None if all hold 0; `columns` maps columns to codes.

    Raises:
        DatasetError: several hold 1, or one holds another number.
        ValueError: a cell is no number.
    """
    hot = [code for column, code in columns.items() if flag(row[column])]
    if len(hot) > 1:
        raise DatasetError(f"has {len(hot)} diagnoses, it must have one")
    return hot[0] if hot else None


def _called(image: str) -> str:
    """What tables call an image that may be named by its file: `a` for `photos/a.jpg`."""
    path = PurePath(image)
    return isic_name(path) or (path.stem if path.suffix.lower() in SUFFIXES else image)


def _companions(table: Path) -> dict[str, dict[str, str]]:
    """What other tables beside this one say of its images: ISIC's metadata, lesion groupings.

    Of one that labels images itself, attributes alone.
    """
    attributes = {column for names in ATTRIBUTES.values() for column in names}
    said: dict[str, dict[str, str]] = {}
    for path in tables_in(table.parent):
        if path == table:
            continue
        try:
            columns = read_table(path, limit=1).columns
        except DatasetError:  # whatever it is, it says nothing of these images
            continue
        key = first_column(columns, IMAGE_COLUMNS)
        wanted = attributes if _LABEL_COLUMNS & set(columns) else {*attributes, *_GROUP_COLUMNS}
        if key and (there := wanted & set(columns)):
            for row in read_table(path, (key,)).rows:
                facts = {name: row[name] for name in there if known(row[name])}
                for name in {row[key], _called(row[key])}:
                    said[name] = {**facts, **said.get(name, {})}
    return said


def parse_table(
    table: Table,
    name: str,
    classes: tuple[str, ...],
    image: str,
    code: Callable[[Mapping[str, str]], str],
    files: Files | None = None,
) -> Parsed:
    """Label the images that a table names, and collect the rows that it cannot take.

    Args:
        table: read with every column that `code` needs.
        name: of the set.
        classes: of the set, in label order.
        image: the column that names images.
        code: finds a row's diagnosis; a DatasetError or ValueError says why it cannot.
        files: where the images are; by default beside the table and in folders there, with what
            companion tables say of them.

    Returns:
        The set, ordered by image id.
    """
    companions = {} if files else _companions(table.path)
    files = files or files_below(table.path.parent)
    images, found, group = [], [], "lesion"
    for line in table.short:
        text = f"line {line} has fewer fields than the header"
        found.append(Problem("bad row", f"line {line}", text))
    for row in table.rows:
        image_id = row[image]
        try:
            label = code(row)
        except DatasetError as error:
            found.append(Problem("bad row", image_id, f"{image_id} {error}"))
            continue
        except ValueError as error:
            found.append(Problem("bad row", image_id, f"{image_id}: {error}"))
            continue
        if label not in classes:
            text = f"{image_id} has diagnosis {label!r}, not one of {classes}"
            found.append(Problem("unknown diagnosis", image_id, text))
            continue
        beside = companions.get(image_id) or companions.get(_called(image_id), {})
        facts = {**beside, **{k: v for k, v in row.items() if known(v)}}
        column = next((column for column in _GROUP_COLUMNS if column in facts), None)
        if column and _GROUP_COLUMNS[column] != "lesion":
            group = _GROUP_COLUMNS[column]
        paths = files.called(image_id)
        if len(paths) > 1:
            text = f"two files are called {image_id}: {paths[0]} and {paths[1]}; keep one"
            found.append(Problem("ambiguous file", image_id, text))
        images.append(
            LabelledImage(
                image_id,
                paths[0],
                classes.index(label),
                facts[column] if column else image_id,
                files.sharp.get(image_id),
                files.mask_of(paths[0]),
                attributes_of(facts),
            )
        )
    ordered = tuple(sorted(images, key=lambda i: i.image_id))
    return Parsed(table.path, LabelledImages(name, classes, ordered, group), tuple(found))
