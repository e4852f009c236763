"""Fidelity against values worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skinedge.compress.fidelity import fidelity, map_correlations, map_overlaps
from skinedge.train.answers import Answers


def answers(probabilities: list[list[float]], maps: np.ndarray | None = None) -> Answers:
    rows = np.array(probabilities)
    labels = np.zeros(len(rows), np.int64)
    return Answers(("mel", "nv"), labels, rows, np.array([True, False]), maps, ())


def test_correlation_does_not_care_for_scale_and_offset() -> None:
    rng = np.random.default_rng(0)
    maps = rng.random((4, 6, 6))
    np.testing.assert_allclose(map_correlations(maps, 3 * maps + 1), 1.0)
    np.testing.assert_allclose(map_correlations(maps, 1 - maps), -1.0)
    other = rng.random((4, 6, 6))
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(maps, other, strict=True)]
    np.testing.assert_allclose(map_correlations(maps, other), expected)


def test_a_constant_map_follows_nothing() -> None:
    assert map_correlations(np.ones((1, 2, 2)), np.arange(4.0).reshape(1, 2, 2)).tolist() == [0.0]


def test_overlap_counts_positions_of_the_top_fifth() -> None:
    one = np.arange(10.0).reshape(1, 2, 5)  # top two: positions 9 and 8
    assert map_overlaps(one, one).tolist() == [1.0]
    assert map_overlaps(one, -one).tolist() == [0.0]
    other = one.copy()
    other[0, 0, 0] = 100  # top two: positions 0 and 9
    assert map_overlaps(one, other).tolist() == [0.5]


def test_answers_are_compared_image_by_image() -> None:
    full = answers([[0.9, 0.1], [0.2, 0.8]])
    ours = answers([[0.8, 0.2], [0.6, 0.4]])
    found = fidelity(full, ours)
    assert found.agreement == 0.5
    rows = ((0.9, 0.8, 0.1, 0.2), (0.2, 0.6, 0.8, 0.4))
    by_hand = [p * np.log(p / q) + r * np.log(r / s) for p, q, r, s in rows]
    assert found.divergence == pytest.approx(np.mean(by_hand))
    assert np.isnan(found.attention_correlation)
    assert np.isnan(found.attention_overlap)


def test_a_lost_map_is_not_a_number() -> None:
    full = answers([[0.9, 0.1]], np.arange(4.0).reshape(1, 2, 2))
    coarser = np.ones((1, 1, 1))
    for attention in (None, coarser):
        found = fidelity(full, replace(full, attention=attention))
        assert np.isnan(found.attention_correlation)
        assert np.isnan(found.attention_overlap)
