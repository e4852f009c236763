"""ISIC 2020 (SIIM-ISIC): 33,126 images of 2,056 patients, 584 melanomas.

`ISIC_2020_Training_GroundTruth.csv` (image_name, patient_id, sex, age_approx,
anatom_site_general_challenge, diagnosis, benign_malignant, target; some copies add tfrecord,
width and height). Splits keep a patient together, whose images have several diagnoses.

Two views of one table: `LAYOUT` by diagnosis, in the classes of ISIC 2019 with `unk`, and `TARGET`
by benign or malignant. 27,124 images have no known diagnosis but are known to be benign.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from skinedge.errors import DatasetError

from .images import Parsed
from .isic2019 import WITH_UNKNOWN
from .layout import Layout, flag, parse_table
from .tables import read_table

__all__ = ["LAYOUT", "TARGET", "parse", "parse_target"]

_REQUIRED = ("image_name", "patient_id", "diagnosis", "target")

# Bkl as HAM10000 defines it: seborrhoeic keratosis, solar lentigo, lichen-planus-like keratosis.
_CODES = {
    "melanoma": "mel",
    "nevus": "nv",
    "seborrheic keratosis": "bkl",
    "lichenoid keratosis": "bkl",
    "solar lentigo": "bkl",
    "lentigo NOS": "bkl",
    "cafe-au-lait macule": "unk",
    "atypical melanocytic proliferation": "unk",
    "unknown": "unk",
}


def _malignant(row: Mapping[str, str]) -> bool:
    malignant = flag(row["target"])
    said = row.get("benign_malignant")
    if said and said != ("malignant" if malignant else "benign"):
        raise DatasetError(f"has target {row['target']} but is called {said}")
    return malignant


def _code(row: Mapping[str, str]) -> str:
    code = _CODES.get(row["diagnosis"], row["diagnosis"])
    if _malignant(row) != (code == "mel") and code in WITH_UNKNOWN:
        raise DatasetError(f"has target {row['target']} but diagnosis {row['diagnosis']!r}")
    return code


def parse(source: Path, _: tuple[str, ...] = WITH_UNKNOWN) -> Parsed:
    """Label the images of `source` by diagnosis.

    Raises:
        DatasetError: the table cannot be read, is empty or lacks a column.
    """
    table = read_table(source, _REQUIRED)
    return parse_table(table, source.stem, WITH_UNKNOWN, "image_name", _code)


def parse_target(source: Path, _: tuple[str, ...] = ("benign", "malignant")) -> Parsed:
    """Label the images of `source` as benign or malignant.

    Raises:
        DatasetError: the table cannot be read, is empty or lacks a column.
    """
    return parse_table(
        read_table(source, _REQUIRED),
        source.stem,
        ("benign", "malignant"),
        "image_name",
        lambda row: "malignant" if _malignant(row) else "benign",
    )


def _fits(source: Path) -> bool:
    wanted = {"image_name", "diagnosis", "target"}
    return source.is_file() and wanted <= set(read_table(source, limit=1).columns)


LAYOUT = Layout("isic2020", "ISIC 2020 by diagnosis", _fits, parse)
TARGET = Layout("isic2020-target", "ISIC 2020, benign or malignant", _fits, parse_target)
