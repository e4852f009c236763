"""Reports and thresholds from given answers, and the files they are written to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from skinedge.train.evaluate import (
    Answers,
    Bootstrap,
    decision_thresholds,
    report,
    to_json,
    write_report,
)

# mel, nv, bcc: the malignant probability is the first plus the third.
ANSWERS = Answers(
    classes=("mel", "nv", "bcc"),
    labels=np.array([0, 0, 1, 1, 2, 2]),
    probabilities=np.array(
        [
            [0.8, 0.1, 0.1],
            [0.3, 0.6, 0.1],
            [0.1, 0.8, 0.1],
            [0.2, 0.5, 0.3],
            [0.2, 0.3, 0.5],
            [0.1, 0.0, 0.9],
        ]
    ),
    malignant=np.array([True, False, True]),
    attention=None,
    unreadable=("a.jpg: is empty",),
)


def reject(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


def test_thresholds_hand_computed() -> None:
    rules = {rule.pop("target"): rule for rule in decision_thresholds(ANSWERS)}
    assert set(rules) == {"mel", "malignant"}
    assert rules["mel"] == pytest.approx({"threshold": 0.3, "sensitivity": 1, "specificity": 1})
    assert rules["malignant"] == pytest.approx(
        {"threshold": 0.4, "sensitivity": 1, "specificity": 1 / 2}
    )


@pytest.mark.parametrize(
    ("classes", "malignant", "targets"),
    [
        (("a", "b", "c"), (False, False, False), []),
        (("a", "b", "c"), (True, False, False), ["malignant"]),
        (("a", "mel", "c"), (False, False, False), ["mel"]),
    ],
)
def test_only_questions_with_an_answer_get_a_threshold(
    classes: tuple[str, ...], malignant: tuple[bool, ...], targets: list[str]
) -> None:
    answers = replace(ANSWERS, classes=classes, malignant=np.array(malignant))
    assert [rule["target"] for rule in decision_thresholds(answers)] == targets


def test_report_applies_thresholds_chosen_elsewhere() -> None:
    rules = [{"target": "malignant", "threshold": 0.45}, {"target": "mel", "threshold": 0.2}]
    figures = report(ANSWERS, rules)
    malignant, melanoma = figures["at_thresholds"]
    assert malignant == {
        "target": "malignant",
        "threshold": 0.45,
        "sensitivity": pytest.approx(3 / 4),
        "specificity": pytest.approx(1 / 2),
    }
    assert (melanoma["sensitivity"], melanoma["specificity"]) == pytest.approx((1, 1 / 2))
    assert figures["unreadable"] == ["a.jpg: is empty"]
    assert figures["accuracy"] == pytest.approx(5 / 6)


def test_undefined_figures_are_null_in_json() -> None:
    answers = replace(ANSWERS, labels=np.array([1, 1, 1, 1, 2, 2]))
    figures = json.loads(to_json(report(answers, [])), parse_constant=reject)
    assert figures["melanoma_auroc"] is None
    assert figures["per_class"]["mel"]["sensitivity"] is None


def test_targets_hand_computed() -> None:
    figures = report(ANSWERS, [])
    # Malignant scores 0.9 0.4 | 0.2 0.5 | 0.7 1.0: one of eight pairs is lost.
    assert figures["targets"]["malignant"] == {
        "images": 4,
        "auroc": pytest.approx(7 / 8),
        "average_precision": pytest.approx((1 + 1 + 1 + 4 / 5) / 4),
        "sensitivity_at_specificity": pytest.approx(3 / 4),
        "specificity_at_sensitivity": pytest.approx(1 / 2),
    }
    assert figures["targets"]["mel"]["auroc"] == figures["melanoma_auroc"] == 1


def test_a_binary_model_has_a_malignant_target_and_no_melanoma() -> None:
    answers = Answers(
        classes=("benign", "malignant"),
        labels=np.array([0, 0, 1, 1]),
        probabilities=np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.2, 0.8]]),
        malignant=np.array([False, True]),
        attention=None,
        unreadable=(),
    )
    [rule] = decision_thresholds(answers)
    assert rule["target"] == "malignant"
    figures = json.loads(to_json(report(answers, [rule], Bootstrap(50))), parse_constant=reject)
    assert figures["targets"]["malignant"]["auroc"] == pytest.approx(3 / 4)
    assert set(figures["targets"]["mel"].values()) == {None}
    assert figures["melanoma_auroc"] is None
    assert figures["at_thresholds"][0]["sensitivity"] == 1
    assert "targets.mel.auroc" not in figures["intervals"]["of"]


def test_isic2017s_second_question_has_a_threshold_too() -> None:
    answers = Answers(
        classes=("rest", "sk"),
        labels=np.array([0, 0, 1, 1]),
        probabilities=np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.2, 0.8]]),
        malignant=np.array([False, False]),
        attention=None,
        unreadable=(),
    )
    [rule] = decision_thresholds(answers)
    assert rule["target"] == "sk"
    figures = report(answers, [rule])
    assert figures["targets"]["sk"]["auroc"] == pytest.approx(3 / 4)
    assert figures["at_thresholds"][0]["specificity"] == 1 / 2


def test_without_images_there_are_no_groups_and_no_masks() -> None:
    maps = np.ones((6, 2, 2), np.float32)
    figures = report(replace(ANSWERS, attention=maps), [])
    assert figures["groups"] == {}
    assert figures["attention_on_lesion"] is None
    assert figures["intervals"] is None


def test_intervals_are_named_by_the_path_of_their_figure() -> None:
    """Each is found in the figures, and lies around its figure, except calibration's."""
    rules = [{"target": "mel", "threshold": 0.25}]
    figures = report(ANSWERS, rules, Bootstrap(300))
    assert figures["intervals"]["lesions"] == 6
    tables = {**figures, "at_thresholds": {"mel": figures["at_thresholds"][0]}}
    for path, (low, high) in figures["intervals"]["of"].items():
        value: Any = tables
        for key in path.split("."):
            value = value[key]
        if path != "expected_calibration_error" and not np.isnan(low):
            assert low <= value <= high, path


def test_write_report(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    figures = report(ANSWERS, decision_thresholds(ANSWERS))
    write_report(folder, ANSWERS, figures)
    assert sorted(path.name for path in folder.iterdir()) == [
        "confusion.png",
        "evaluation.json",
        "precision_recall.png",
        "reliability.png",
        "report.html",
        "roc.png",
    ]
    written = json.loads((folder / "evaluation.json").read_text(), parse_constant=reject)
    assert written == figures
    for name in ("confusion.png", "precision_recall.png", "reliability.png", "roc.png"):
        plot = cv2.imread(str(folder / name))
        assert min(plot.shape[:2]) > 300
        assert plot.std() > 10
