"""The overlay colours what the map points at and leaves the rest alone."""

from __future__ import annotations

import numpy as np

from skinedge.heatmap import overlay


def test_only_the_attended_corner_is_coloured() -> None:
    grey = np.full((120, 160, 3), 128, np.uint8)
    attention = np.zeros((6, 6), np.float32)
    attention[0, 5] = 1
    picture = overlay(grey, attention)
    assert picture.shape == grey.shape
    assert picture.dtype == np.uint8
    assert np.abs(picture[:8, -8:].astype(int) - 128).max() > 50
    assert np.array_equal(picture[60:, :80], grey[60:, :80])


def test_strength_zero_changes_nothing() -> None:
    picture = np.arange(48 * 48 * 3, dtype=np.uint8).reshape(48, 48, 3)
    assert np.array_equal(overlay(picture, np.ones((3, 3), np.float32), strength=0), picture)
