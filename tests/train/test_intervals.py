"""Bootstrap draws against scikit-learn on repeated images, and intervals against theory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from skinedge.errors import DatasetError
from skinedge.train.answers import Answers
from skinedge.train.attention_on_lesion import AttentionOnLesion
from skinedge.train.datasets.images import LabelledImage
from skinedge.train.draws import figures_of_draws
from skinedge.train.evaluate import report
from skinedge.train.intervals import (
    Bootstrap,
    intervals,
    paired_differences,
    percentile_interval,
    resample,
)

RULES = [{"target": "mel", "threshold": 0.3}, {"target": "malignant", "threshold": 0.5}]


def made_up(seed: int, images: int = 120, skill: float = 1.5, steps: int | None = None) -> Answers:
    """Three classes, the last of which is rare; with `steps`, many scores are equal."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, images, p=(0.3, 0.6, 0.1))
    logits = rng.normal(size=(images, 3)) + skill * np.eye(3)[labels]
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    if steps:
        probabilities = np.round(probabilities * steps) / steps
    return Answers(
        ("mel", "nv", "bcc"), labels, probabilities, np.array([True, False, True]), None, ()
    )


def photographed(answers: Answers, times: int) -> Answers:
    """The same answers with every lesion in so many consecutive images."""
    images = tuple(
        LabelledImage(f"i{n}", Path(f"i{n}.jpg"), int(label), f"lesion{n // times}")
        for n, label in enumerate(answers.labels)
    )
    return replace(answers, images=images)


@pytest.mark.parametrize("steps", [None, 8], ids=["distinct", "tied"])
@pytest.mark.parametrize("seed", range(4))
def test_a_draw_is_the_metrics_of_repeated_images(seed: int, steps: int | None) -> None:
    """Also draws that miss a class altogether."""
    answers = made_up(seed, images=40, steps=steps)
    counts = resample(answers.lesions(), Bootstrap(8, seed=seed))
    counts[0, answers.labels == 2] = 0
    counts[1, answers.labels != 1] = 0
    found = figures_of_draws(answers, counts, RULES)
    for draw, count in enumerate(counts):
        rows = np.repeat(np.arange(len(count)), count)
        repeated = replace(
            answers, labels=answers.labels[rows], probabilities=answers.probabilities[rows]
        )
        expected = report(repeated, RULES)
        tables = {
            **expected,
            "at_thresholds": {rule["target"]: rule for rule in expected["at_thresholds"]},
        }
        for path, values in found.items():
            figure = tables
            for key in path.split("."):
                figure = figure[key]
            assert values[draw] == pytest.approx(figure, nan_ok=True), f"{path} of draw {draw}"


def test_every_headline_figure_has_an_interval() -> None:
    figures = report(made_up(0), RULES)
    numbers = {key for key, value in figures.items() if isinstance(value, float)}
    # A fit in every draw would take longer than all else together.
    assert numbers - set(intervals(made_up(0), Bootstrap(20))) == {"fitted_temperature"}


def test_accuracy_has_the_binomial_interval() -> None:
    """With one image per lesion, hits in a draw are binomial."""
    answers = made_up(1, images=400)
    hits = answers.probabilities.argmax(axis=1) == answers.labels
    low, high = intervals(answers, Bootstrap(4000))["accuracy"]
    expected = binom.ppf((0.025, 0.975), 400, hits.mean()) / 400
    assert (low, high) == pytest.approx(expected, abs=0.006)


def test_lesions_are_drawn_with_all_their_images() -> None:
    lesions = np.array(["b", "a", "b", "c", "b", "c"])
    counts = resample(lesions, Bootstrap(500))
    assert counts.shape == (500, 6)
    for name in "abc":
        same = counts[:, lesions == name]
        assert (same == same[:, :1]).all()
    assert (counts[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert counts.std() > 0.5


def test_more_photographs_of_a_lesion_make_nothing_surer() -> None:
    single = made_up(2, images=100)
    rows = np.repeat(np.arange(100), 4)
    fourfold = replace(single, labels=single.labels[rows], probabilities=single.probabilities[rows])
    width = {
        name: np.diff(intervals(answers, Bootstrap(1000))["accuracy"])[0]
        for name, answers in (
            ("single", single),
            ("by lesion", photographed(fourfold, 4)),
            ("by image", fourfold),
        )
    }
    assert width["by lesion"] == pytest.approx(width["single"], rel=0.15)
    assert width["by image"] == pytest.approx(width["single"] / 2, rel=0.15)


def test_the_seed_decides() -> None:
    one, again, other = (intervals(made_up(3), Bootstrap(200, seed=s)) for s in (1, 1, 2))
    assert one == again
    assert one["accuracy"] != other["accuracy"]


def test_percentile_interval_hand_computed() -> None:
    values = np.r_[np.nan, np.arange(101) / 100, np.nan]
    assert percentile_interval(values) == pytest.approx((0.025, 0.975))
    assert percentile_interval(values, 0.5) == pytest.approx((0.25, 0.75))
    assert np.isnan(percentile_interval(np.full(3, np.nan))).all()


def test_what_never_varies_has_no_interval() -> None:
    answers = made_up(4)
    perfect = replace(answers, probabilities=np.eye(3)[answers.labels])
    assert np.isnan(intervals(perfect, Bootstrap(50))["accuracy"]).all()


def test_attention_has_an_interval_over_the_images_with_a_mask() -> None:
    shares = np.array([0.2, 0.4, np.nan, 0.6] * 30)
    known = AttentionOnLesion(shares, np.full(120, 0.2), np.full(120, 0.3))
    found = intervals(made_up(5), Bootstrap(500), (), known)
    low, high = found["attention_on_lesion.mean"]
    spread = 1.96 * np.nanstd(shares) / np.sqrt(90)
    assert (low, high) == pytest.approx((0.4 - spread, 0.4 + spread), abs=0.008)
    assert found["attention_on_lesion.gain"] == pytest.approx([low / 0.2, high / 0.2])


def test_paired_differences_tell_a_better_model_from_an_equal_one() -> None:
    good = made_up(6, images=300, skill=3.0)
    poor = replace(made_up(7, images=300, skill=0.5), labels=good.labels)
    found = paired_differences(good, poor, Bootstrap(300))
    for name in ("accuracy", "macro_auroc", "melanoma_auroc"):
        assert found[name]["low"] > 0
        assert found[name]["low"] < found[name]["difference"] < found[name]["high"]
    one, other = report(good, []), report(poor, [])
    expected = one["macro_auroc"] - other["macro_auroc"]
    assert found["macro_auroc"]["difference"] == pytest.approx(expected)
    for difference in paired_differences(good, good, Bootstrap(50)).values():
        assert difference == {"difference": 0, "low": 0, "high": 0}


def test_pairing_is_surer_than_two_separate_intervals() -> None:
    """Two models that differ in one image of fifty."""
    one = made_up(8, images=200)
    changed = one.probabilities.copy()
    changed[:4] = changed[:4, ::-1]
    other = replace(one, probabilities=changed)
    paired = paired_differences(one, other, Bootstrap(500))["accuracy"]
    alone = intervals(one, Bootstrap(500))["accuracy"]
    assert paired["high"] - paired["low"] < 0.5 * (alone[1] - alone[0])


def test_only_the_same_questions_can_be_paired() -> None:
    answers = made_up(9)
    for other in (
        replace(answers, classes=("mel", "nv", "bkl")),
        replace(answers, labels=np.roll(answers.labels, 1)),
        photographed(answers, 1),
    ):
        with pytest.raises(DatasetError, match="same images"):
            paired_differences(answers, other)
