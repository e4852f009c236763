"""Shared by train and compress tests: a small drawn dataset in HAM10000's layout."""

from __future__ import annotations

import csv
import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from draw_lesion import draw

from skinedge.lesion import CODES

COLOURS = (
    (200, 60, 60),
    (230, 150, 90),
    (150, 110, 70),
    (180, 120, 160),
    (40, 30, 30),
    (110, 70, 50),
    (140, 20, 60),
)
LESIONS_PER_CLASS = 14


def write_ham10000(root: Path) -> Path:
    """14 lesions of each diagnosis, every other one photographed twice, half of them sharp."""
    folders = [root / "HAM10000_images_part_1", root / "HAM10000_images_part_2"]
    sharp = root / "HAM10000_images_sharp"
    for folder in (*folders, sharp):
        folder.mkdir(parents=True)
    rows = []
    for label, code in enumerate(CODES):
        for lesion in range(LESIONS_PER_CLASS):
            for view in range(1 + lesion % 2):
                number = len(rows)
                image_id = f"ISIC_{number:07d}"
                picture = draw(number, 72, 96, COLOURS[label], ragged=0.1 * label, hairs=1)[
                    ..., ::-1
                ]
                cv2.imwrite(str(folders[number % 2] / f"{image_id}.jpg"), picture)
                if lesion % 4 < 2 and view == 0:
                    cv2.imwrite(str(sharp / f"{image_id}.jpg"), cv2.resize(picture, (128, 96)))
                rows.append((f"HAM_{label}{lesion:04d}", image_id, code))
    with open(root / "HAM10000_metadata.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("lesion_id", "image_id", "dx"), *rows])
    return root


@pytest.fixture(scope="session")
def ham10000(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in HAM10000's layout with 147 drawn images of 98 lesions."""
    return write_ham10000(tmp_path_factory.mktemp("data") / "ham10000")


@pytest.fixture(scope="module", autouse=True)
def _forget_networks() -> Iterator[None]:
    """Keras keeps what a test built until it is told not to: 8 GB at the end of them all."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].backend.clear_session()
        gc.collect()
