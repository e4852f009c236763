"""Accuracy of one model against another: McNemar's test and paired differences, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skinedge.benchmarks.accuracy import change
from skinedge.train.answers import Answers
from skinedge.train.datasets.images import LabelledImage
from skinedge.train.intervals import Bootstrap


def test_mcnemar_counts_what_one_alone_gets_right() -> None:
    images = tuple(
        LabelledImage(f"image{i}", f"lesion{i}", i % 2, Path(f"{i}.jpg")) for i in range(40)
    )
    labels = np.array([image.label for image in images])

    def said(wrong: list[int]) -> Answers:
        named = labels.copy()
        named[wrong] = 1 - named[wrong]
        rows = np.where(np.eye(2)[named] > 0, 0.8, 0.2)
        return Answers(("nv", "mel"), labels, rows, np.array([False, True]), None, (), images)

    one, other = said([0, 1]), said([2, 3, 4, 5, 6, 7, 8, 9])
    found = change("one", one, "other", other, Bootstrap(draws=200))
    assert (found.only_model, found.only_other) == (8, 2)
    # Twice the chance of at most 2 heads in 10 throws: 2 * (1 + 10 + 45) / 1024.
    assert found.mcnemar == pytest.approx(0.109375)
    difference, low, high = found.differences["accuracy"]
    assert difference == pytest.approx(6 / 40)
    assert low <= difference <= high
    assert found.agreement == pytest.approx(30 / 40)
    assert found.attention_correlation is None
    assert change("one", one, "same", one, Bootstrap(draws=50)).mcnemar == 1.0
