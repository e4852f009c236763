"""HAM10000 in its official layout (Tschandl et al. 2018, doi:10.1038/sdata.2018.161).

`HAM10000_metadata.csv` (lesion_id, image_id, dx, ...) beside the folders
`HAM10000_images_part_1` and `_part_2`. An optional folder `HAM10000_images_sharp` holds
sharper copies of some of the images. Folders called `HAM10000_segmentations_lesion`, or
`..._tschandl` as the official archive has it, hold masks of the lesions (Tschandl et al. 2020,
doi:10.1038/s41591-020-0942-0); they lie beside the table or in a folder there.
"""

from __future__ import annotations

from pathlib import Path

from skinedge.lesion import CODES

from .files import Files, masks_below
from .images import Parsed
from .layout import Layout, diagnosis, parse_table
from .tables import read_table

__all__ = ["LAYOUT", "METADATA", "parse"]

METADATA = "HAM10000_metadata.csv"

_MASKS = "HAM10000_segmentations_lesion*"


def _masks(root: Path) -> dict[str, Path]:
    """Masks by image id."""
    found = sorted({*root.glob(_MASKS), *root.glob(f"*/{_MASKS}")})
    folders = (path for path in found if path.is_dir())
    return {name: mask for folder in folders for name, mask in masks_below(folder).items()}


def parse(source: Path, _: tuple[str, ...] = CODES) -> Parsed:
    """Label the images of `source`, the metadata table; its classes are the seven.

    Raises:
        DatasetError: the table cannot be read, is empty or lacks a column.
    """
    root = source.parent
    # Some copies hold the same part twice, in folders that differ in case: either will do.
    parts = sorted(root.glob("[Hh][Aa][Mm]10000_images_part_*"))
    images = {path.stem: (path,) for part in parts for path in part.glob("*.jpg")}
    sharp = {path.stem: path for path in (root / "HAM10000_images_sharp").glob("*.jpg")}
    return parse_table(
        read_table(source, ("lesion_id", "image_id", "dx")),
        "HAM10000",
        CODES,
        "image_id",
        lambda row: diagnosis(row["dx"], CODES),
        Files(root, images, sharp, _masks(root)),
    )


LAYOUT = Layout(
    "ham10000",
    "HAM10000",
    lambda source: source.name == METADATA,
    parse,
)
