"""The HTML pages: whole, self-contained, escaped, the same every time."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from skinedge import DISCLAIMER
from skinedge.edge_cli.figures import comparison_text
from skinedge.errors import DatasetError
from skinedge.train.answers import Answers
from skinedge.train.comparison import compare, write_comparison
from skinedge.train.datasets.images import LabelledImage
from skinedge.train.evaluate import Bootstrap, decision_thresholds, report, write_report


class Page(HTMLParser):
    """Text, embedded pictures and addresses of a page; fails where tags do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.pictures, self.addresses, self.open = [], [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in ("img", "meta", "link"):
            self.open.append(tag)
        for name, value in attributes:
            if name in ("src", "href") and value:
                (self.pictures if value.startswith("data:") else self.addresses).append(value)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def made_up(folder: Path, skill: float = 2.0, images: int = 60) -> Answers:
    """Melanomas, naevi and carcinomas, with masks, maps and attributes."""
    rng = np.random.default_rng(3)
    labels = np.arange(images) % 3
    logits = rng.normal(size=(images, 3)) + skill * np.eye(3)[labels]
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    mask = np.zeros((30, 40), np.uint8)
    mask[10:20, 10:30] = 255
    cv2.imwrite(str(folder / "mask.png"), mask)
    known = [{"sex": "female", "age": "30", "site": "<b>back</b>"}, {"sex": "male", "age": "80"}]
    return Answers(
        ("mel", "nv", "bcc"),
        labels,
        probabilities,
        np.array([True, False, True]),
        rng.random((images, 4, 4), np.float32),
        ("broken<1>.jpg: is empty",),
        tuple(
            LabelledImage(
                str(n),
                folder / f"{n}.jpg",
                int(labels[n]),
                str(n),
                mask=folder / "mask.png",
                attributes=known[n % 2],
            )
            for n in range(images)
        ),
    )


@pytest.fixture
def answers(tmp_path: Path) -> Answers:
    return made_up(tmp_path)


def test_the_page_holds_everything_and_needs_nothing(answers: Answers, tmp_path: Path) -> None:
    rules = decision_thresholds(answers)
    about = {"model": "a & b.tflite", "split": "test"}
    figures = report(answers, rules, Bootstrap(100), about)
    write_report(tmp_path / "out", answers, figures)
    html = (tmp_path / "out" / "report.html").read_text()
    page = Page(html)
    assert not page.addresses
    assert not re.search(r"https?://|url\(|@import|<script|<link", html)
    plots = ("confusion", "roc", "precision_recall", "reliability")
    for name, picture in zip(plots, page.pictures, strict=True):
        kind, data = picture.split(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data) == (tmp_path / "out" / f"{name}.png").read_bytes()
    text = " ".join(page.text)
    assert text.count(DISCLAIMER) == 1
    low, high = figures["intervals"]["of"]["balanced_accuracy"]
    assert f"{figures['balanced_accuracy']:.4f} ({low:.3f} to {high:.3f})" in text
    assert f"{figures['attention_on_lesion']['mean']:.4f}" in text
    for words in ("a & b.tflite", "<b>back</b>", "broken<1>.jpg", "70 and over", "uniform map"):
        assert words in text
    assert "<b>back" not in html
    assert not re.search(r"\bnan\b", text)


def test_the_same_figures_make_the_same_page(answers: Answers, tmp_path: Path) -> None:
    figures = report(answers, [], Bootstrap(20))
    for name in ("one", "two"):
        write_report(tmp_path / name, answers, figures)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_a_page_of_little(answers: Answers, tmp_path: Path) -> None:
    """No melanoma, no map, no images, no thresholds, no intervals."""
    bare = replace(
        answers,
        classes=("a", "b", "c"),
        malignant=np.zeros(3, bool),
        attention=None,
        unreadable=(),
        images=(),
    )
    write_report(tmp_path / "out", bare, report(bare, []))
    text = " ".join(Page((tmp_path / "out" / "report.html").read_text()).text)
    assert "Groups" not in text
    assert "Attention" not in text
    assert not re.search(r"\bnan\b", text)


def test_two_models_side_by_side(answers: Answers, tmp_path: Path) -> None:
    said = {"good": answers, "poor": made_up(tmp_path, skill=0.3)}
    bootstrap = Bootstrap(100)
    figures = {
        name: report(one, [], bootstrap, {"model": name, "split": "test"})
        for name, one in said.items()
    }
    comparison = compare(said, figures, bootstrap)
    assert comparison["target"] == "mel"
    found = comparison["differences"]["poor"]["accuracy"]
    assert found["difference"] == pytest.approx(
        figures["poor"]["accuracy"] - figures["good"]["accuracy"]
    )
    assert found["high"] < 0
    write_comparison(tmp_path / "out", said, comparison)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "comparison.json",
        "report.html",
        "roc_comparison.png",
    ]
    written = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert written["differences"]["poor"]["accuracy"] == found
    page = Page((tmp_path / "out" / "report.html").read_text())
    text = " ".join(page.text)
    assert len(page.pictures) == 1
    assert f"{found['difference']:+.4f} ({found['low']:+.3f} to {found['high']:+.3f})" in text
    assert "attention energy on the lesion" in text
    assert not re.search(r"\bnan\b", text)


def test_models_are_compared_by_what_their_classes_allow(answers: Answers, tmp_path: Path) -> None:
    for classes, malignant, target in (
        (("a", "b", "c"), (True, False, False), "malignant"),
        (("a", "b", "c"), (False, False, False), None),
    ):
        other = replace(answers, classes=classes, malignant=np.array(malignant))
        said = {"one": other, "two": other}
        figures = {name: report(one, []) for name, one in said.items()}
        comparison = compare(said, figures)
        assert comparison["target"] == target
        assert comparison["differences"] == {}
        folder = tmp_path / str(target)
        write_comparison(folder, said, comparison)
        assert (folder / "roc_comparison.png").exists() == (target is not None)


def test_models_may_have_answered_their_own_images(answers: Answers, tmp_path: Path) -> None:
    """Of two clinics, say: no pairs, yet one plot."""
    few = answers.having(np.arange(len(answers.labels)) >= 12)
    said = {"all": answers, "again": answers, "clinic": few}
    bootstrap = Bootstrap(20)
    comparison = compare(
        said, {name: report(one, [], bootstrap) for name, one in said.items()}, bootstrap
    )
    assert comparison["apart"] == ["clinic"]
    assert list(comparison["differences"]) == ["again"]
    write_comparison(tmp_path / "out", said, comparison)
    text = " ".join(Page((tmp_path / "out" / "report.html").read_text()).text)
    assert "clinic answered other images than all" in text
    assert "bootstrap draws of each model's lesions" in text
    assert "clinic answered other images than all" in comparison_text(comparison)


def test_models_of_other_classes_are_not_compared(answers: Answers) -> None:
    mixed = {"one": answers, "two": replace(answers, classes=("a", "b", "c"))}
    with pytest.raises(DatasetError, match="same classes"):
        compare(mixed, {name: report(one, []) for name, one in mixed.items()})
