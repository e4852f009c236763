"""MixUp and CutMix: pixels and labels mixed in the same proportion, by the generator alone."""

from __future__ import annotations

import numpy as np
import pytest

from skinedge.train.mix import Mixing, mix

CLASSES = 5
MIXUP, CUTMIX = Mixing(mixup_alpha=0.4), Mixing(cutmix_alpha=1.0)
BOTH = Mixing(mixup_alpha=0.4, cutmix_alpha=1.0)
everyway = pytest.mark.parametrize(
    "options", [MIXUP, CUTMIX, BOTH], ids=["mixup", "cutmix", "both"]
)


def batch(count: int = 5, height: int = 24, width: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Every image one grey, a different one; its class is its number."""
    grey = np.arange(count, dtype=np.uint8) * 50
    pixels = np.broadcast_to(grey[:, None, None, None], (count, height, width, 3)).copy()
    return pixels, np.eye(CLASSES, dtype=np.float32)[np.arange(count) % CLASSES]


@everyway
def test_shapes_types_and_label_mass(options: Mixing) -> None:
    pixels, labels = batch()
    before = pixels.copy(), labels.copy()
    for seed in range(50):
        mixed, shares = mix(pixels, labels, options, np.random.default_rng(seed))
        assert (mixed.shape, mixed.dtype) == (pixels.shape, np.uint8)
        assert (shares.shape, shares.dtype) == (labels.shape, np.float32)
        assert shares.min() >= 0
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(shares.sum(axis=0), labels.sum(axis=0), atol=1e-6)
    np.testing.assert_array_equal(pixels, before[0])
    np.testing.assert_array_equal(labels, before[1])


@pytest.mark.parametrize("height", [24, 23, 1])
def test_cutmix_labels_are_the_shares_of_pixels(height: int) -> None:
    """Also where the box reaches over the edge, or sides are odd."""
    pixels, labels = batch(height=height)
    own = []
    for seed in range(100):
        mixed, shares = mix(pixels, labels, CUTMIX, np.random.default_rng(seed))
        counted = np.stack(
            [(mixed[..., 0] == grey).mean(axis=(1, 2)) for grey in range(0, 250, 50)]
        )
        np.testing.assert_allclose(shares, counted.T, atol=1e-6)
        own += shares.max(axis=1).tolist()
    if height > 1:
        assert min(own) < 0.6
    assert max(own) == 1


def test_cutmix_pastes_one_box_in_place() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 24, 24, 3), np.uint8)
    for seed in range(30):
        mixed, _ = mix(pixels, np.eye(4, dtype=np.float32), CUTMIX, np.random.default_rng(seed))
        changed = (mixed != pixels).any(axis=(0, 3))
        rows, columns = changed.any(axis=1), changed.any(axis=0)
        np.testing.assert_array_equal(changed, np.outer(rows, columns))
        for line in (rows, columns):
            assert np.abs(np.diff(np.concatenate([[0], line, [0]]).astype(int))).sum() in (0, 2)
        for image in mixed:
            sources = [((image == other).all(axis=2) | ~changed).all() for other in pixels]
            assert any(sources)


def test_mixup_blends_pixels_as_it_blends_labels() -> None:
    pixels, labels = batch()
    greys = np.arange(5) * 50
    ratios = set()
    for seed in range(100):
        mixed, shares = mix(pixels, labels, MIXUP, np.random.default_rng(seed))
        expected = np.broadcast_to((shares @ greys)[:, None, None, None], mixed.shape)
        assert np.abs(mixed - expected).max() <= 0.501
        ratios.add(round(float(shares[(shares < 1) & (shares > 0)].max(initial=0)), 3))
    assert len(ratios) > 20


@everyway
def test_equal_generators_give_equal_batches(options: Mixing) -> None:
    pixels, labels = batch()
    once, again, other = (mix(pixels, labels, options, np.random.default_rng(s)) for s in (3, 3, 4))
    for ours, theirs in zip(once, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(once[1], other[1])


def test_off_is_identity_and_draws_nothing() -> None:
    pixels, labels = batch()
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    mixed, shares = mix(pixels, labels, Mixing(), rng)
    assert mixed is pixels
    assert shares is labels
    assert rng.bit_generator.state == before


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_probability_is_the_share_of_mixed_batches(probability: float) -> None:
    pixels, labels = batch()
    rng = np.random.default_rng(0)
    options = Mixing(mixup_alpha=0.4, probability=probability)
    mixed = [mix(pixels, labels, options, rng)[0] is not pixels for _ in range(400)]
    assert abs(np.mean(mixed) - probability) <= 4 * np.sqrt(probability * (1 - probability) / 400)


def test_with_both_on_each_comes_up() -> None:
    pixels, labels = batch()
    blended = []
    for seed in range(60):
        mixed, _ = mix(pixels, labels, BOTH, np.random.default_rng(seed))
        blended.append(not np.isin(mixed, pixels).all())
    assert 15 < sum(blended) < 45


def test_an_image_alone_stays_itself() -> None:
    pixels, labels = batch(count=1)
    for options in (MIXUP, CUTMIX):
        mixed, shares = mix(pixels, labels, options, np.random.default_rng(0))
        np.testing.assert_array_equal(mixed, pixels)
        np.testing.assert_allclose(shares, labels)
