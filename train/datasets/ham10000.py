"""HAM10000 in its official layout (Tschandl et al. 2018, doi:10.1038/sdata.2018.161).

`HAM10000_metadata.csv` (lesion_id, image_id, dx, ...) beside the folders
`HAM10000_images_part_1` and `_part_2`. An optional folder `HAM10000_images_sharp` holds
sharper copies of some of the images.
"""

from __future__ import annotations

from pathlib import Path

from skinedge.errors import DatasetError
from skinedge.lesion import CODES

from .images import LabelledImage, LabelledImages, check_images
from .tables import read_table

__all__ = ["METADATA", "load"]

METADATA = "HAM10000_metadata.csv"


def load(root: Path) -> LabelledImages:
    """Load the set at `root`, ordered by image id.

    Raises:
        DatasetError: the table lacks a column, names an unknown diagnosis, names absent or
            repeated images, or gives one lesion two diagnoses.
    """
    table = root / METADATA
    parts = sorted(root.glob("[Hh][Aa][Mm]10000_images_part_*"))
    where = {path.stem: path for part in parts for path in part.glob("*.jpg")}
    sharp = {path.stem: path for path in (root / "HAM10000_images_sharp").glob("*.jpg")}
    images = []
    for row in read_table(table, ("lesion_id", "image_id", "dx")):
        image_id, lesion_id, dx = row["image_id"], row["lesion_id"], row["dx"].lower()
        if dx not in CODES:
            raise DatasetError(f"{table}: {image_id} has diagnosis {dx!r}, not one of {CODES}")
        path = where.get(image_id, root / f"{image_id}.jpg")
        images.append(
            LabelledImage(image_id, path, CODES.index(dx), lesion_id, sharp.get(image_id))
        )
    check_images(table, CODES, images)
    return LabelledImages("HAM10000", CODES, tuple(sorted(images, key=lambda i: i.image_id)))
