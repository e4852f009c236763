"""ISIC 2018 Task 3 tables beside a folder of images.

Two forms: `image_id,dx` and the challenge's one-hot `image,MEL,NV,BCC,AKIEC,BKL,DF,VASC`
(https://challenge.isic-archive.com). Images may lie beside the table or in any folder below it.
"""

from __future__ import annotations

from pathlib import Path

from skinedge.errors import DatasetError
from skinedge.image import images_below
from skinedge.lesion import CODES

from .images import LabelledImage, LabelledImages, check_images
from .tables import read_table

__all__ = ["find_table", "load"]


def find_table(root: Path) -> Path | None:
    """The only CSV file in `root`, or of several the one that labels images, or None.

    Raises:
        DatasetError: several label images.
    """
    tables = sorted(root.glob("*.csv"))
    if len(tables) > 1:
        tables = [table for table in tables if _labels_images(table)]
    if len(tables) > 1:
        names = " and ".join(table.name for table in tables[:2])
        raise DatasetError(f"{root}: both {names} label images; name one of them")
    return tables[0] if tables else None


def _labels_images(table: Path) -> bool:
    columns = set(read_table(table, ())[0])
    return {"image_id", "dx"} <= columns or {"image", "MEL"} <= columns


def _one_hot_code(table: Path, image_id: str, row: dict[str, str]) -> str:
    try:
        hot = [code for code in CODES if float(row[code.upper()]) == 1.0]
    except ValueError as error:
        raise DatasetError(f"{table}: {image_id}: {error}") from None
    if len(hot) != 1:
        raise DatasetError(f"{table}: {image_id} has {len(hot)} diagnoses, it must have one")
    return hot[0]


def load(table: Path) -> LabelledImages:
    """Load the set that `table` labels, ordered by image id.

    Raises:
        DatasetError: the table has neither form, names an unknown diagnosis, absent or
            repeated images, or gives one lesion two diagnoses.
    """
    rows = read_table(table, ())
    one_hot = "image" in rows[0]
    if one_hot:
        rows = read_table(table, ("image", *(code.upper() for code in CODES)))
    else:
        rows = read_table(table, ("image_id", "dx"))
    where = {path.stem: path for path in images_below(table.parent)}
    images = []
    for row in rows:
        image_id = row["image"] if one_hot else row["image_id"]
        code = _one_hot_code(table, image_id, row) if one_hot else row["dx"].lower()
        if code not in CODES:
            raise DatasetError(f"{table}: {image_id} has diagnosis {code!r}, not one of {CODES}")
        path = where.get(image_id, table.parent / f"{image_id}.jpg")
        lesion = row.get("lesion_id") or image_id
        images.append(LabelledImage(image_id, path, CODES.index(code), lesion))
    check_images(table, CODES, images)
    return LabelledImages(table.stem, CODES, tuple(sorted(images, key=lambda i: i.image_id)))
