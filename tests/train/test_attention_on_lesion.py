"""The energy-based pointing game on masks and maps small enough to count."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from real_data import HAM10000, needs_ham10000

from skinedge.train.attention_on_lesion import (
    attention_on_lesion,
    energy_on_lesion,
    lesion_mask,
)
from skinedge.train.datasets.images import LabelledImage


def image_with(folder: Path, mask: np.ndarray | None, sharp: bool = False) -> LabelledImage:
    """An image whose mask file holds `mask`; the picture itself is not needed."""
    number = len(list(folder.iterdir()))
    path = folder / f"{number}.png"
    if mask is not None:
        cv2.imwrite(str(path), mask.astype(np.uint8) * 255)
    picture = folder / f"{number}.jpg"
    return LabelledImage(
        str(number),
        picture,
        0,
        str(number),
        sharp=picture if sharp else None,
        mask=None if mask is None else path,
    )


def left_half(height: int = 60, width: int = 80) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[:, : width // 2] = True
    return mask


def test_a_uniform_map_scores_the_area() -> None:
    mask = np.zeros((30, 40), bool)
    mask[3:9, 5:25] = True
    assert energy_on_lesion(np.full((6, 6), 0.7), mask) == pytest.approx(120 / 1200)


def test_maps_of_two_cells_hand_computed() -> None:
    mask = left_half()
    # Half-pixel bilinear: 1 up to a quarter, down to 1/2 at the half; then mirrored to 0.
    assert energy_on_lesion(np.array([[1.0, 0.0]]), mask) == pytest.approx(7 / 8, abs=1e-3)
    assert energy_on_lesion(np.array([[0.0, 1.0]]), mask) == pytest.approx(1 / 8, abs=1e-3)
    assert energy_on_lesion(np.array([[3.0, 1.0]]), mask) == pytest.approx(
        (3 * 7 / 8 + 1 / 8) / 4, abs=1e-3
    )


def test_rows_of_a_map_are_rows_of_the_mask() -> None:
    top = left_half(80, 60).T
    assert energy_on_lesion(np.array([[1.0], [0.0]]), top) == pytest.approx(7 / 8, abs=1e-3)
    assert energy_on_lesion(np.array([[1.0, 0.0]]), top) == pytest.approx(1 / 2, abs=1e-3)


def test_a_map_without_energy_scores_nothing() -> None:
    assert np.isnan(energy_on_lesion(np.zeros((3, 3)), left_half()))


def test_figures_are_means_over_the_images_with_a_mask(tmp_path: Path) -> None:
    quarter = np.zeros((60, 80), bool)
    quarter[:30, :40] = True
    images = [image_with(tmp_path, mask) for mask in (left_half(), None, quarter)]
    maps = np.array([[[1, 0], [1, 0]], [[9, 9], [9, 9]], [[1, 1], [1, 1]]], np.float32)
    found = attention_on_lesion(maps, images)
    assert found is not None
    assert found.shares == pytest.approx([7 / 8, np.nan, 1 / 4], abs=1e-3, nan_ok=True)
    figures = found.figures()
    assert figures["images"] == 2
    assert figures["mean"] == pytest.approx((7 / 8 + 1 / 4) / 2, abs=1e-3)
    assert figures["uniform"] == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert figures["gain"] == pytest.approx(9 / 6, abs=1e-3)
    # A Gaussian in the middle is symmetrical, as these masks are.
    assert figures["centred"] == pytest.approx((1 / 2 + 1 / 4) / 2)


def test_a_centred_map_finds_a_centred_lesion(tmp_path: Path) -> None:
    middle = np.zeros((60, 80), bool)
    middle[15:45, 20:60] = True
    found = attention_on_lesion(np.ones((1, 6, 6), np.float32), [image_with(tmp_path, middle)])
    assert found is not None
    # One sigma is a quarter of a side: 0.6827 of each normal, cut off at two sigma (0.9545).
    assert found.figures()["centred"] == pytest.approx((0.6827 / 0.9545) ** 2, abs=2e-3)


def test_the_mask_of_a_sharp_copy_is_cut_to_what_it_shows(tmp_path: Path) -> None:
    mask = np.zeros((60, 80), bool)
    mask[:, :20] = True
    whole = lesion_mask(image_with(tmp_path, mask))
    cut = lesion_mask(image_with(tmp_path, mask, sharp=True))
    assert whole is not None
    assert cut is not None
    assert whole.mean() == pytest.approx(1 / 4)
    assert cut.shape == (60, 60)
    assert cut.mean() == pytest.approx(10 / 60)


def test_masks_of_three_channels_and_with_soft_edges(tmp_path: Path) -> None:
    """Resampled masks have both."""
    soft = np.zeros((10, 10, 3), np.uint8)
    soft[:, :5], soft[:, 5] = 255, 100
    image = image_with(tmp_path, np.zeros((1, 1)))
    cv2.imwrite(str(image.mask), soft)
    mask = lesion_mask(image)
    assert mask is not None
    assert mask.sum() == 50


def test_no_map_or_no_mask_is_no_game(tmp_path: Path) -> None:
    masked, bare = image_with(tmp_path, left_half()), image_with(tmp_path, None)
    empty = image_with(tmp_path, np.zeros((6, 8)))
    broken = image_with(tmp_path, left_half())
    assert broken.mask is not None
    broken.mask.write_text("no picture")
    one = np.ones((1, 2, 2), np.float32)
    assert attention_on_lesion(None, [masked]) is None
    assert attention_on_lesion(one, [bare]) is None
    assert attention_on_lesion(one, [empty]) is None
    assert attention_on_lesion(one, [broken]) is None
    assert attention_on_lesion(one, []) is None


@needs_ham10000
def test_sharp_copies_show_the_middle_square_of_their_picture() -> None:
    """What `SHARP_WIDTH` says, against a third and a full width, on real pairs."""
    sharp = sorted((HAM10000 / "HAM10000_images_sharp").glob("*.jpg"))[:: 5984 // 12]
    agreement = []
    for path in sharp:
        [whole] = HAM10000.glob(f"HAM10000_images_part_*/{path.name}")
        grey = cv2.imread(str(whole), cv2.IMREAD_GRAYSCALE)
        copy = cv2.GaussianBlur(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), (0, 0), 1.0)
        row = []
        for width in (1.0, 0.85, 0.75, 0.65):
            margin = round(grey.shape[1] * (1 - width) / 2)
            part = grey[:, margin : grey.shape[1] - margin]
            seen = cv2.resize(copy, part.shape[::-1], interpolation=cv2.INTER_AREA)
            row.append(np.corrcoef(part.ravel(), seen.ravel())[0, 1])
        agreement.append(row)
    assert (np.argmax(agreement, axis=1) == 2).all()
    assert np.median(agreement, axis=0)[2] > 0.98
