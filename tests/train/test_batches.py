"""Pixels, sampling and random views: what the network is fed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from draw_lesion import draw
from tiny import TINY

from skinedge.image import read, to_input
from skinedge.train.augment import Augmentation, augment
from skinedge.train.batches import (
    TrainingBatches,
    draw_probabilities,
    lesion_prior,
    load_pixels,
    normalise,
    sampled_prior,
)
from skinedge.train.datasets import LabelledImage, LabelledImages, open_dataset

UNCHANGED = Augmentation(
    min_area=1, **{field.name: 0.0 for field in fields(Augmentation) if field.name != "min_area"}
)


@pytest.fixture(scope="module")
def data(ham10000: Path) -> LabelledImages:
    return open_dataset(ham10000)


def test_load_pixels_is_what_the_device_does(data: LabelledImages) -> None:
    images = data.images[:30]
    assert {bool(image.sharp) for image in images} == {False, True}
    pixels = load_pixels(images, 64)
    assert pixels.dtype == np.uint8
    for row, image in zip(pixels, images, strict=True):
        np.testing.assert_array_equal(row, to_input(read(image.sharpest), 64, 64), strict=True)


def test_a_sideways_photo_is_loaded_upright(tmp_path: Path) -> None:
    jpeg = cv2.imencode(".jpg", draw(0, 60, 40)[..., ::-1])[1].tobytes()
    turned = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    block = b"\xff\xe1" + (len(turned) + 2).to_bytes(2, "big") + turned
    (tmp_path / "plain.jpg").write_bytes(jpeg)
    (tmp_path / "turned.jpg").write_bytes(jpeg[:2] + block + jpeg[2:])
    paths = [tmp_path / "plain.jpg", tmp_path / "turned.jpg"]
    plain, turned_pixels = load_pixels([LabelledImage("", path, 0, "") for path in paths], 32)
    np.testing.assert_allclose(turned_pixels, np.rot90(plain, -1), atol=4)
    assert np.abs(turned_pixels.astype(int) - plain).max() > 20


def test_normalise_is_exact_in_int8() -> None:
    values = normalise(np.arange(256, dtype=np.uint8))
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values * 128 + 127, np.arange(256))
    assert (values.min(), values[127], values.max()) == (-127 / 128, 0, 1)


def batches(data: LabelledImages, seed: int = 1, size: int = 32) -> TrainingBatches:
    return TrainingBatches(data, TINY, size, seed)


def test_a_batch(data: LabelledImages) -> None:
    sequence = batches(data)
    assert len(sequence) == TINY.images_per_epoch // TINY.batch_size
    pixels, labels = sequence[0]
    assert (pixels.shape, pixels.dtype) == ((TINY.batch_size, 32, 32, 3), np.float32)
    assert (labels.shape, labels.dtype) == ((TINY.batch_size, 7), np.float32)
    assert pixels.min() >= -127 / 128
    assert pixels.max() <= 1
    assert pixels.std() > 0.1
    np.testing.assert_array_equal(np.sort(labels, axis=1)[:, :-1], 0)
    np.testing.assert_array_equal(labels.sum(axis=1), 1)


def test_a_batch_depends_on_seed_epoch_and_step_alone(data: LabelledImages) -> None:
    sequence, again = batches(data), batches(data)
    again.epoch = 5
    _ = again[1], again[0]
    again.epoch = 0
    for ours, theirs in zip(sequence[3], again[3], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("change", ["seed", "stage", "epoch", "step"])
def test_another_seed_stage_epoch_or_step_gives_another_batch(
    change: str, data: LabelledImages
) -> None:
    other = batches(data, seed=2 if change == "seed" else 1)
    other.stage = int(change == "stage")
    other.epoch = int(change == "epoch")
    ours, theirs = batches(data)[0], other[int(change == "step")]
    assert not np.array_equal(ours[0], theirs[0])
    assert not np.array_equal(ours[1], theirs[1])


def test_labels_belong_to_their_pictures(tmp_path: Path) -> None:
    """Pictures of one brightness per class come back under that class."""
    images = []
    for label, grey in enumerate((40, 120, 200)):
        path = tmp_path / f"{grey}.png"
        cv2.imwrite(str(path), np.full((8, 8, 3), grey, np.uint8))
        images.append(LabelledImage(path.stem, path, label, path.stem))
    data = LabelledImages("greys", ("a", "b", "c"), tuple(images))
    recipe = replace(TINY, augmentation=UNCHANGED)
    pixels, labels = TrainingBatches(data, recipe, 32, seed=0)[0]
    greys = np.array([40, 120, 200])[labels.argmax(axis=1)]
    assert len(set(greys)) == 3
    np.testing.assert_array_equal(
        pixels, np.broadcast_to(normalise(greys)[:, None, None, None], pixels.shape)
    )


@pytest.fixture
def sharp_white_plain_black(tmp_path: Path) -> Callable[..., LabelledImages]:
    """Half of each class's lesions have a sharp (white) copy of one of their (black) images."""
    for name, grey in (("plain", 0), ("sharp", 255)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((4, 4, 3), grey, np.uint8))

    def make(views_of_class: tuple[int, ...], lesions: int = 6) -> LabelledImages:
        images = [
            LabelledImage(
                f"{label}-{lesion}-{view}",
                tmp_path / "plain.png",
                label,
                f"{label}-{lesion}",
                tmp_path / "sharp.png" if view == 0 and lesion % 2 else None,
            )
            for label, views in enumerate(views_of_class)
            for lesion in range(lesions)
            for view in range(views)
        ]
        return LabelledImages("made up", tuple("abc"[: len(views_of_class)]), tuple(images))

    return make


@pytest.mark.parametrize("sharp_share", [0.0, 0.5, 1.0])
def test_sharpness_says_nothing_of_the_class(
    sharp_share: float, sharp_white_plain_black: Callable[..., LabelledImages]
) -> None:
    """Though classes b and c have two and seven extra images per lesion, never sharp."""
    recipe = replace(TINY, augmentation=UNCHANGED, sharp_share=sharp_share, batch_size=2000)
    data = sharp_white_plain_black((1, 3, 8))
    pixels, labels = TrainingBatches(data, recipe, 4, seed=0)[0]
    sharp = pixels[:, 0, 0, 0] == 1
    assert (pixels[~sharp] == -127 / 128).all()
    expected = 0.5 * sharp_share
    for label in range(3):
        drawn = sharp[labels[:, label] == 1]
        margin = 4 * np.sqrt(expected * (1 - expected) / len(drawn))
        assert abs(drawn.mean() - expected) <= margin


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_classes_are_drawn_in_their_prior(
    power: float, sharp_white_plain_black: Callable[..., LabelledImages]
) -> None:
    data = sharp_white_plain_black((1, 1, 4))
    fewer = data.having(i for i in data.images if i.label != 0 or i.lesion_id in ("0-0", "0-1"))
    recipe = replace(TINY, sampling_power=power, batch_size=2000, augmentation=UNCHANGED)
    sequence = TrainingBatches(fewer, recipe, 4, seed=3)
    weights = np.array([2, 6, 6]) ** power  # lesions, not images
    np.testing.assert_allclose(sequence.prior, weights / weights.sum())
    drawn = sequence[0][1].mean(axis=0)
    np.testing.assert_allclose(drawn, sequence.prior, atol=4 * np.sqrt(0.25 / 2000))


def test_patients_are_kept_together_and_not_drawn(
    sharp_white_plain_black: Callable[..., LabelledImages],
) -> None:
    """One with a hundred naevi has a hundred of the draws, and of what losses count."""
    data = replace(sharp_white_plain_black((1, 3, 8)), group="patient")
    sequence = TrainingBatches(data, replace(TINY, sampling_power=1.0), 4, seed=3)
    np.testing.assert_array_equal(sequence.counts, [6, 18, 48])
    np.testing.assert_allclose(sequence.prior, np.array([6, 18, 48]) / 72)
    np.testing.assert_allclose(lesion_prior(data), sequence.prior)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("counts", [(1, 10, 100), (5, 5, 5), (3, 0, 7)])
def test_draw_probabilities_follow_the_sampled_prior(power: float, counts: tuple[int, ...]) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(3), counts))
    probabilities = draw_probabilities(labels, 3, power)
    assert probabilities.sum() == pytest.approx(1)
    of_class = np.bincount(labels, probabilities, minlength=3)
    present = np.array(counts) > 0
    weights = np.where(present, np.array(counts, float) ** power, 0)
    np.testing.assert_allclose(of_class, weights / weights.sum())
    for label in range(3):
        assert len(set(probabilities[labels == label].round(12))) <= 1


def test_sampled_prior_keeps_logarithms_finite() -> None:
    prior = sampled_prior(np.array([0, 0, 2]), 4, power=1)
    np.testing.assert_allclose(prior, np.array([2, 1, 1, 1]) / 5)


def test_lesion_prior_counts_lesions_not_images(
    sharp_white_plain_black: Callable[..., LabelledImages],
) -> None:
    np.testing.assert_allclose(lesion_prior(sharp_white_plain_black((1, 3, 8))), 1 / 3)


@pytest.mark.parametrize("shape", [(72, 96), (96, 72), (40, 40), (450, 600)])
@pytest.mark.parametrize("size", [32, 64])
def test_a_view_has_the_size_asked_for(shape: tuple[int, int], size: int) -> None:
    rgb = draw(0, *shape)
    before = rgb.copy()
    for seed in range(10):
        view = augment(rgb, size, Augmentation(), np.random.default_rng(seed))
        assert (view.shape, view.dtype) == ((size, size, 3), np.uint8)
    np.testing.assert_array_equal(rgb, before)


def test_equal_generators_give_equal_views() -> None:
    rgb = draw(0, 72, 96)
    views = [augment(rgb, 48, Augmentation(), np.random.default_rng(s)) for s in (1, 1, 2)]
    np.testing.assert_array_equal(views[0], views[1])
    assert np.abs(views[0].astype(int) - views[2]).max() > 20


def test_with_all_ranges_zero_a_view_is_a_flip_or_turn() -> None:
    rgb = draw(1, 64, 64)
    eight = [np.rot90(flipped, turns) for flipped in (rgb, rgb[:, ::-1]) for turns in range(4)]
    seen = set()
    for seed in range(80):
        view = augment(rgb, 64, UNCHANGED, np.random.default_rng(seed))
        same = [number for number, other in enumerate(eight) if np.array_equal(view, other)]
        assert len(same) == 1
        seen.update(same)
    assert seen == set(range(8))


def mean_change(option: str, value: float) -> list[float]:
    rgb = draw(2, 64, 64)
    options = replace(UNCHANGED, **{option: value})
    changes = []
    for seed in range(20):
        plain = augment(rgb, 64, UNCHANGED, np.random.default_rng(seed)).astype(float)
        view = augment(rgb, 64, options, np.random.default_rng(seed)).astype(float)
        changes.append(np.abs(view - plain).mean())
    return changes


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("min_area", 0.4),
        ("aspect", 0.5),
        ("rotation", 30.0),
        ("brightness", 0.2),
        ("contrast", 0.3),
        ("channel_gain", 0.2),
        ("saturation", 0.5),
        ("blur_probability", 1.0),
    ],
)
def test_every_option_changes_views(option: str, value: float) -> None:
    assert np.median(mean_change(option, value)) > 0.5


def test_brightness_stays_within_its_range() -> None:
    rgb = np.full((16, 16, 3), 128, np.uint8)
    options = replace(UNCHANGED, brightness=0.1)
    means = [
        augment(rgb, 16, options, np.random.default_rng(seed)).mean() - 128 for seed in range(200)
    ]
    assert max(np.abs(means)) <= 26
    assert min(means) < -20
    assert max(means) > 20


def test_grey_stays_grey_under_saturation_and_contrast() -> None:
    rgb = np.repeat(draw(3, 32, 32)[..., :1], 3, axis=2)
    options = replace(UNCHANGED, saturation=0.5, contrast=0.3)
    for seed in range(10):
        view = augment(rgb, 32, options, np.random.default_rng(seed)).astype(int)
        assert np.ptp(view, axis=2).max() <= 1


def test_a_view_shows_at_least_the_least_area() -> None:
    """On a ramp, the range of grey in a view is the share of the width that it shows."""
    ramp = np.repeat(np.tile(np.arange(256, dtype=np.uint8), (256, 1))[..., None], 3, axis=2)
    options = replace(UNCHANGED, min_area=0.25)
    spans = [
        np.ptp(augment(ramp, 64, options, np.random.default_rng(seed)).astype(int)) / 255
        for seed in range(100)
    ]
    assert 0.47 < min(spans) < 0.6
    assert max(spans) > 0.9
