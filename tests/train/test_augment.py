"""The options of `Augmentation` that are off by default, and the eight flips and turns."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
from draw_lesion import draw

from skinedge.train.augment import Augmentation, augment, flips

UNCHANGED = Augmentation(
    min_area=1, **{field.name: 0.0 for field in fields(Augmentation) if field.name != "min_area"}
)
EXTRA = (
    {"flips_only": True},
    {"distortion": 0.05},
    {"hue": 30.0},
    {"clahe_probability": 1.0},
    {"noise": 0.1},
    {"cutout_holes": 2, "cutout_size": 0.3},
)
extra = pytest.mark.parametrize("options", EXTRA, ids=lambda options: next(iter(options)))


def view(rgb: np.ndarray, seed: int, size: int = 64, **options: float) -> np.ndarray:
    chosen = replace(UNCHANGED, **options)
    return augment(rgb, size, chosen, np.random.default_rng(seed))


def default_views() -> tuple[str, int]:
    """SHA-256 of 24 default views drawn in a row, and the generator's next draw after them."""
    rng = np.random.default_rng(2024)
    digest = hashlib.sha256()
    for number in range(24):
        height, width, size = ((72, 96, 48), (450, 600, 64), (40, 40, 32))[number % 3]
        rgb = draw(number % 3, height, width)
        digest.update(augment(rgb, size, Augmentation(), rng).tobytes())
    return digest.hexdigest(), int(rng.integers(2**32))


def test_default_views_draw_what_they_always_drew() -> None:
    """The number comes from the module before it had the options tested here."""
    assert default_views()[1] == 916511713


@pytest.mark.skipif(cv2.__version__ != "5.0.0", reason="each OpenCV rounds in its own way")
def test_default_views_are_what_they_always_were() -> None:
    """The digest comes from the module before it had the options tested here."""
    assert default_views()[0] == "53e0f714b538b55ba63086b635e3e0f97b61befb9ee14cf16d18afa7a3192813"


@extra
@pytest.mark.parametrize("size", [32, 50])
def test_views_keep_size_and_type_and_leave_the_image_alone(
    options: dict[str, float], size: int
) -> None:
    rgb = draw(0, 72, 96)
    before = rgb.copy()
    for seed in range(5):
        one, again = (view(rgb, seed, size, **options) for _ in range(2))
        assert (one.shape, one.dtype) == ((size, size, 3), np.uint8)
        np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(rgb, before)


@extra
def test_every_option_changes_views(options: dict[str, float]) -> None:
    rgb = draw(1, 64, 64)
    changes = [
        np.abs(view(rgb, seed, **options).astype(float) - view(rgb, seed)).mean()
        for seed in range(20)
    ]
    assert np.median(changes) > 0.5


def test_all_at_once() -> None:
    everything = {name: value for options in EXTRA for name, value in options.items()}
    options = replace(Augmentation(), **everything)
    views = [
        augment(draw(2, 72, 96), 48, options, np.random.default_rng(seed)) for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(views[0], views[1])
    assert np.abs(views[0].astype(int) - views[2]).mean() > 5


def test_flips_only_makes_four_views() -> None:
    rgb = draw(1, 64, 64)
    four = [rgb, rgb[::-1], rgb[:, ::-1], rgb[::-1, ::-1]]
    seen = set()
    for seed in range(40):
        one = view(rgb, seed, flips_only=True)
        same = [number for number, other in enumerate(four) if np.array_equal(one, other)]
        assert len(same) == 1
        seen.update(same)
    assert seen == set(range(4))


def ramp() -> np.ndarray:
    """Red rises with x, green with y: a view's colours tell where it was taken from."""
    x, y = np.meshgrid(np.arange(128), np.arange(128))
    return np.stack([2 * x, 2 * y, np.full_like(x, 128)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("largest", [0.02, 0.05])
def test_distortion_moves_within_its_range_and_folds_nothing(largest: float) -> None:
    moved = []
    for seed in range(20):
        bent = view(ramp(), seed, 128, distortion=largest, flips_only=True).astype(int)
        straight = view(ramp(), seed, 128, flips_only=True).astype(int)
        inner = (slice(16, -16), slice(16, -16))  # the border is mirrored, so it turns back
        moved.append(np.abs(bent - straight)[inner].max() / 2 / 128)
        for axis, channel in ((1, 0), (0, 1)):
            steps = np.diff(bent[..., channel], axis=axis)[inner]
            along = np.sign(np.diff(straight[..., channel], axis=axis))[inner]
            # Neighbours round apart by one level where the picture is stretched most.
            assert (steps * along).min() >= -1
    # Cubic interpolation overshoots its nodes, by up to 1.25 a side.
    assert 0.6 * largest < max(moved) < 1.6 * largest
    assert bent[..., 2].min() == bent[..., 2].max() == 128


def test_hue_turns_colours_and_leaves_grey_and_brightness() -> None:
    """Of one flat colour, too: all of it turns, not only how pixels differ from their mean."""
    grey = np.full((16, 16, 3), 90, np.uint8)
    brown = np.full((16, 16, 3), (150, 100, 80), np.uint8)
    colour = np.array((150, 100, 80)) - 110.0
    turns = []
    for seed in range(200):
        np.testing.assert_array_equal(view(grey, seed, 16, hue=30.0), grey)
        turned = view(brown, seed, 16, hue=30.0)[0, 0] - 110.0
        assert abs(turned.mean()) < 1
        assert np.linalg.norm(turned) == pytest.approx(np.linalg.norm(colour), abs=1)
        cosine = turned @ colour / np.linalg.norm(turned) / np.linalg.norm(colour)
        sign = np.sign(np.cross(colour, turned).sum())
        turns.append(sign * np.degrees(np.arccos(min(1.0, cosine))))
    assert -32 < min(turns) < -25
    assert 25 < max(turns) < 32


def test_clahe_raises_local_contrast_and_keeps_colour() -> None:
    rng = np.random.default_rng(0)
    flat = rng.integers(110, 130, (64, 64, 1)).astype(np.uint8) + np.uint8([30, 0, 0])
    stronger = [view(flat, seed, clahe_probability=1.0) for seed in range(10)]
    assert np.mean([one.std(axis=(0, 1)) for one in stronger]) > 1.5 * flat.std(axis=(0, 1)).mean()
    for one in stronger:
        red = (one[..., 0].astype(int) - one[..., 1]).mean()
        assert 20 < red < 40


def test_noise_has_no_bias_and_at_most_the_deviation_asked_for() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    spread = []
    for seed in range(100):
        noise = view(grey, seed, noise=0.1).astype(float) - 128
        spread.append(noise.std())
        assert abs(noise.mean()) < 5 * 25.5 / 110
    assert max(spread) < 25.5 * 1.05
    assert max(spread) > 20
    assert min(spread) < 5


def test_cutout_holes_are_grey_squares_that_may_reach_over_the_edge() -> None:
    white = np.full((40, 40, 3), 255, np.uint8)
    areas = []
    for seed in range(200):
        one = view(white, seed, 40, cutout_holes=1, cutout_size=0.25)
        hole = (one == 127).all(axis=2)
        assert (one[~hole] == 255).all()
        rows, columns = hole.any(axis=1), hole.any(axis=0)
        np.testing.assert_array_equal(hole, np.outer(rows, columns))
        assert min(rows.sum(), columns.sum()) >= 5
        areas.append(int(hole.sum()))
    assert max(areas) == 100
    assert min(areas) < 60
    two = [view(white, seed, 40, cutout_holes=2, cutout_size=0.25) for seed in range(50)]
    assert max((one == 127).all(axis=2).sum() for one in two) == 200


def test_flips_are_eight_views_with_the_identity_first() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    before = pixels.copy()
    eight = list(flips(pixels))
    assert {one.shape for one in eight} == {pixels.shape}
    assert len({one.tobytes() for one in eight}) == 8
    np.testing.assert_array_equal(eight[0], pixels)
    np.testing.assert_array_equal(eight[4], pixels[:, :, ::-1])
    for number, one in enumerate(eight):
        again = [np.rot90(one[0], -(number % 4)), np.rot90(one[1], -(number % 4))]
        upright = np.stack(again)[:, :, ::-1] if number >= 4 else np.stack(again)
        np.testing.assert_array_equal(upright, pixels)
    np.testing.assert_array_equal(pixels, before)


def test_flips_of_flips_are_the_same_eight() -> None:
    pixels = np.random.default_rng(1).normal(size=(1, 5, 5, 3))
    eight = {one.tobytes() for one in flips(pixels)}
    for one in flips(pixels):
        assert {other.tobytes() for other in flips(one)} == eight
