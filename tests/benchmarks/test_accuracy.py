"""Accuracy of one model against another: McNemar's test and paired differences, by hand."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from skinedge.benchmarks import measuring
from skinedge.benchmarks.accuracy import change
from skinedge.benchmarks.bench import Bench, Plan
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


def test_a_baseline_of_other_classes_is_not_asked(tmp_path: Path) -> None:
    """Its third column would be read as another diagnosis, or there is none."""
    spec = {"classes": ["benign", "malignant"]}
    (tmp_path / "run.json").write_text(json.dumps({"recipe": {"spec": spec}}))
    images = SimpleNamespace(classes=("nv", "mel"))
    first = SimpleNamespace(images=images, file=SimpleNamespace(card={"training": {}}))
    bench = Bench(Plan(split="all"), lambda step, items: lambda done: None)
    bench.models, bench.keras = [first], {"run": SimpleNamespace(trained=True, source=tmp_path)}
    bench.subjects = {"run": SimpleNamespace(role="baseline")}
    assert measuring._asked_keras(bench) == {}
    assert bench.notes == ["no accuracy of run: it answers for other classes"]
