"""Figures by sex, age, site and clinic, from made-up attributes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skinedge.train.answers import Answers
from skinedge.train.datasets.images import LabelledImage
from skinedge.train.groups import age_band, group_figures
from skinedge.train.intervals import Bootstrap, intervals
from skinedge.train.metrics import auroc, balanced_accuracy, macro_auroc

RULES = [{"target": "mel", "threshold": 0.4}]


def made_up(attributes: list[dict[str, str]]) -> Answers:
    """Every third image is a melanoma, the rest naevi."""
    rng = np.random.default_rng(0)
    labels = (np.arange(len(attributes)) % 3 == 0).astype(int)
    scores = np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0.01, 0.99)
    images = tuple(
        LabelledImage(str(n), Path(f"{n}.jpg"), int(labels[n]), str(n), attributes=known)
        for n, known in enumerate(attributes)
    )
    return Answers(
        ("nv", "mel"),
        labels,
        np.column_stack([1 - scores, scores]),
        np.array([False, True]),
        None,
        (),
        images,
    )


@pytest.mark.parametrize(
    ("years", "band"),
    [
        ("0", "under 30"),
        ("29.9", "under 30"),
        ("30", "30-49"),
        ("45.0", "30-49"),
        ("50", "50-69"),
        ("69", "50-69"),
        ("70.0", "70 and over"),
        ("85", "70 and over"),
        ("", "unknown"),
        ("nan", "unknown"),
        ("-5", "unknown"),
        ("old", "unknown"),
    ],
)
def test_age_bands(years: str, band: str) -> None:
    assert age_band(years) == band


def test_figures_are_the_metrics_of_the_group() -> None:
    answers = made_up([{"sex": "female"}] * 60 + [{"sex": "male"}] * 30 + [{}] * 12)
    figures = group_figures(answers, RULES)
    assert list(figures) == ["sex"]
    assert list(figures["sex"]) == ["female", "male", "unknown"]
    male = figures["sex"]["male"]
    labels, probabilities = answers.labels[60:90], answers.probabilities[60:90]
    positive, called = labels == 1, probabilities[:, 1] >= 0.4
    assert male == pytest.approx(
        {
            "images": 30,
            "melanomas": 10,
            "balanced_accuracy": balanced_accuracy(labels, probabilities),
            "macro_auroc": macro_auroc(labels, probabilities),
            "melanoma_auroc": auroc(positive, probabilities[:, 1]),
            "melanoma_sensitivity": called[positive].mean(),
            "melanoma_specificity": (~called[~positive]).mean(),
        }
    )
    unknown = figures["sex"]["unknown"]
    assert (unknown.pop("images"), unknown.pop("melanomas")) == (12, 4)
    assert np.isnan(list(unknown.values())).all()


def test_few_melanomas_give_no_melanoma_figures() -> None:
    answers = made_up([{"site": "back"}] * 12 + [{"site": "face"}] * 30)
    few = replace(answers, labels=np.where(np.arange(42) < 30, answers.labels, 0))
    face = group_figures(few, RULES)["site"]["face"]
    assert face["melanomas"] == 6
    few = replace(answers, labels=np.where(np.arange(42) < 21, answers.labels, 0))
    face = group_figures(few, RULES)["site"]["face"]
    assert face["melanomas"] == 3
    assert np.isnan(face["melanoma_auroc"])
    assert np.isnan(face["melanoma_sensitivity"])
    assert face["balanced_accuracy"] > 0


def test_ages_come_in_order_and_without_thresholds_there_is_no_sensitivity() -> None:
    ages = [{"age": str(years)} for years in (80, 20, 60, 40)] * 25 + [{"age": "?"}]
    figures = group_figures(made_up(ages))["age"]
    assert list(figures) == ["under 30", "30-49", "50-69", "70 and over", "unknown"]
    assert np.isnan(figures["30-49"]["melanoma_sensitivity"])
    assert not np.isnan(figures["30-49"]["melanoma_auroc"])


def test_a_table_that_knows_nothing_has_no_groups() -> None:
    assert group_figures(made_up([{}] * 30)) == {}
    assert group_figures(replace(made_up([{}] * 30), images=())) == {}


def test_groups_have_intervals() -> None:
    answers = made_up([{"clinic": "rosendahl"}] * 60 + [{"clinic": "vienna dias"}] * 9)
    figure = group_figures(answers, RULES)["clinic"]["rosendahl"]["balanced_accuracy"]
    found = intervals(answers, Bootstrap(200), RULES)
    low, high = found["groups.clinic.rosendahl.balanced_accuracy"]
    assert low < figure < high
    assert high - low == pytest.approx(0.25, abs=0.1)
    assert not any("vienna" in name for name in found)
