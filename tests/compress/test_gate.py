"""The gate lets a faithful model through and stops each way of being unfaithful."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skinedge.compress.gate import Verdict, judge
from skinedge.compress.recipe import Limits
from skinedge.train.answers import Answers
from skinedge.train.evaluate import decision_thresholds

IMAGES, SIDE = 200, 6


def full_answers() -> Answers:
    """A fair classifier of three classes with a map of its own for every image."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, IMAGES)
    seen = rng.normal(size=(IMAGES, 3)) + 2 * np.eye(3)[labels]
    logits = 2 * seen  # Bayes' rule for such noise, so that it is calibrated
    rows = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    maps = rng.random((IMAGES, SIDE, SIDE)).astype(np.float32)
    malignant = np.array([True, True, False])
    return Answers(("bcc", "mel", "nv"), labels, rows, malignant, maps, ())


FULL = full_answers()


def verdict(ours: Answers, partitions: int = 1, limits: Limits | None = None) -> Verdict:
    return judge(FULL, ours, decision_thresholds, (1, partitions), limits or Limits())


def failed(of: Verdict) -> set[str]:
    return {check.figure for check in of.checks if not check.passed}


def test_the_same_answers_pass() -> None:
    found = verdict(FULL)
    assert found.passed
    assert not failed(found)
    assert found.images == IMAGES
    assert "FAILED" not in found.table()


def test_a_lost_map_fails_though_every_answer_is_right() -> None:
    """The pilot's int16x8 model: accuracy fine, map correlated 0.008."""
    scrambled = np.random.default_rng(1).random(FULL.attention.shape).astype(np.float32)
    found = verdict(replace(FULL, attention=scrambled))
    assert failed(found) == {"attention correlation", "attention top 20 % overlap"}
    assert "FAILED" in found.table()
    assert not found.describe()["passed"]


def test_a_model_without_its_map_fails() -> None:
    assert "attention correlation" in failed(verdict(replace(FULL, attention=None)))


def test_a_model_that_never_had_a_map_is_not_asked_for_one() -> None:
    blind = replace(FULL, attention=None)
    found = judge(blind, blind, decision_thresholds, (1, 1), Limits())
    assert found.passed


def test_lost_melanomas_fail() -> None:
    """A third of the melanomas get the answers of a nevus."""
    rows = FULL.probabilities.copy()
    melanomas = np.flatnonzero(FULL.labels == 1)[::3]
    rows[melanomas] = [0.01, 0.01, 0.98]
    names = failed(verdict(replace(FULL, probabilities=rows)))
    assert {"balanced accuracy", "melanoma AUROC", "mel specificity there"} <= names


def test_answers_may_be_better_but_not_others() -> None:
    perfect = np.full((IMAGES, 3), 0.01) + 0.97 * np.eye(3)[FULL.labels]
    names = failed(verdict(replace(FULL, probabilities=perfect)))
    assert names == {"same class as float"}


def test_overconfidence_fails() -> None:
    sharp = FULL.probabilities**8
    sharp /= sharp.sum(axis=1, keepdims=True)
    assert "calibration error (ECE)" in failed(verdict(replace(FULL, probabilities=sharp)))


@pytest.mark.parametrize(("limit", "passes"), [(1, False), (3, True), (None, True)])
def test_partitions_are_limited_if_the_recipe_says_so(limit: int | None, passes: bool) -> None:
    assert verdict(FULL, 3, replace(Limits(), partitions=limit)).passed is passes


def test_a_file_that_no_delegate_runs_fails() -> None:
    assert failed(verdict(FULL, 0)) == {"delegate runs any of it"}


def test_a_float_file_in_pieces_allows_as_many() -> None:
    assert judge(FULL, FULL, decision_thresholds, (4, 4), Limits()).passed


def test_a_figure_that_the_classes_do_not_give_is_not_asked_for() -> None:
    """Where every class is malignant, nothing is there to be specific about."""
    only = replace(FULL, malignant=np.array([True, True, True]))
    found = judge(only, only, decision_thresholds, (1, 1), Limits())
    assert found.passed
    assert "malignant specificity there" not in {check.figure for check in found.checks}
