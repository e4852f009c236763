"""Figures and plots as one HTML page that needs no other file and no network.

The page shows no picture of the dataset: whoever may see the figures may not see those.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined

from skinedge import DISCLAIMER

__all__ = ["comparison_html", "evaluation_html"]

TEMPLATE = Path(__file__).with_name("report.html.j2")
HEADLINE = {
    "balanced_accuracy": "balanced accuracy",
    "macro_auroc": "macro AUROC",
    "melanoma_auroc": "melanoma AUROC",
    "melanoma_average_precision": "melanoma average precision",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "weighted_precision": "weighted precision",
    "expected_calibration_error": "expected calibration error",
    "brier_score": "Brier score",
}
ENERGY = {"attention_on_lesion.mean": "attention energy on the lesion"}
RANKING = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "sensitivity_at_specificity": "sensitivity at specificity 0.95",
    "specificity_at_sensitivity": "specificity at sensitivity 0.95",
}
RATES = {"sensitivity": "sensitivity", "specificity": "specificity"}
BY_GROUP = {
    "balanced_accuracy": "balanced accuracy",
    "macro_auroc": "macro AUROC",
    "melanoma_auroc": "melanoma AUROC",
    "melanoma_sensitivity": "melanoma sensitivity at threshold",
    "melanoma_specificity": "melanoma specificity at threshold",
}
CAPTIONS = {
    "confusion": "Confusion matrix: counts, coloured by share of the true class",
    "roc": "ROC curves, each class against the rest",
    "precision_recall": "Precision-recall curves, each class against the rest",
    "reliability": "Reliability of the top label, and how many images are how sure",
    "roc_comparison": "ROC curves of one question, model by model",
}


@dataclass(frozen=True)
class _Table:
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class _Plot:
    caption: str
    base64: str


@dataclass(frozen=True)
class _Section:
    heading: str
    notes: tuple[str, ...] = ()
    tables: tuple[_Table, ...] = ()
    plots: tuple[_Plot, ...] = ()


@dataclass(frozen=True)
class _Page:
    title: str
    about: Mapping[str, str]
    sections: tuple[_Section, ...]


def _render(page: _Page) -> str:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(page=page, disclaimer=DISCLAIMER)


def _number(value: float | None, sign: str = "") -> str:
    return "–" if value is None or np.isnan(value) else f"{value:{sign}.4f}"


def _plots(plots: Mapping[str, Path]) -> tuple[_Plot, ...]:
    return tuple(
        _Plot(CAPTIONS[name], base64.b64encode(path.read_bytes()).decode("ascii"))
        for name, path in plots.items()
    )


class _Figures:
    """Figures of one evaluation, written with their intervals."""

    def __init__(self, figures: Mapping[str, Any]) -> None:
        self.figures = figures
        self.intervals = (figures["intervals"] or {}).get("of", {})

    def cell(self, value: float | None, path: str) -> str:
        low, high = self.intervals.get(path, (float("nan"), float("nan")))
        known = value is not None and not np.isnan([value, low, high]).any()
        return f"{_number(value)} ({low:.3f} to {high:.3f})" if known else _number(value)

    def row(self, found: Mapping[str, Any], path: str, keys: Iterable[str]) -> tuple[str, ...]:
        return tuple(self.cell(found[key], f"{path}.{key}") for key in keys)

    def headline(self) -> _Table:
        rows = tuple((name, self.cell(self.figures[key], key)) for key, name in HEADLINE.items())
        fitted = _number(self.figures["fitted_temperature"])
        left = ("temperature left to scale, fitted on these very images", fitted)
        return _Table("", ("figure", "value"), (*rows, left))

    def per_class(self) -> _Table:
        keys = {**RATES, "f1": "F1", "auroc": "AUROC", "average_precision": "average precision"}
        rows = tuple(
            (code, str(found["images"]), *self.row(found, f"per_class.{code}", keys))
            for code, found in self.figures["per_class"].items()
        )
        caption = (
            "By class, each against the rest; sensitivity, specificity and F1 of the top label"
        )
        return _Table(caption, ("class", "images", *keys.values()), rows)

    def targets(self) -> _Table:
        rows = tuple(
            (name, _count(found["images"]), *self.row(found, f"targets.{name}", RANKING))
            for name, found in self.figures["targets"].items()
        )
        header = ("question", "images", *RANKING.values())
        return _Table("What the ranking allows, on these very images", header, rows)

    def at_thresholds(self) -> _Table:
        rows = tuple(
            (
                found["target"],
                _number(found["threshold"]),
                *self.row(found, f"at_thresholds.{found['target']}", RATES),
            )
            for found in self.figures["at_thresholds"]
        )
        caption = "At the thresholds that were set beforehand, on other images"
        return _Table(caption, ("question", "threshold", *RATES.values()), rows)

    def attention(self) -> _Table:
        found = self.figures["attention_on_lesion"]
        path = "attention_on_lesion"
        rows = (
            ("images with a mask", str(found["images"])),
            ("energy on the lesion", self.cell(found["mean"], f"{path}.mean")),
            ("a uniform map (the lesion's area)", _number(found["uniform"])),
            ("a Gaussian in the middle", _number(found["centred"])),
            ("gain over the uniform map", self.cell(found["gain"], f"{path}.gain")),
        )
        return _Table("", ("energy-based pointing game", "value"), rows)

    def groups(self) -> tuple[_Table, ...]:
        header = ("", "images", "melanomas", *BY_GROUP.values())
        return tuple(
            _Table(
                f"By {grouping}",
                header,
                tuple(
                    (
                        name,
                        str(found["images"]),
                        str(found["melanomas"]),
                        *self.row(found, f"groups.{grouping}.{name}", BY_GROUP),
                    )
                    for name, found in members.items()
                ),
            )
            for grouping, members in self.figures["groups"].items()
        )


def _count(value: float) -> str:
    return "–" if np.isnan(value) else str(int(value))


def _how_intervals(found: Mapping[str, Any] | None, apart: bool = False) -> tuple[str, ...]:
    if found is None:
        return ()
    lesions = "each model's" if apart else found["lesions"]
    return (
        f"In brackets: {found['confidence']:.0%} percentile intervals of {found['draws']} "
        f"bootstrap draws of {lesions} lesions (seed {found['seed']}). The calibration "
        "error's interval lies high by construction; read it as an upper bound.",
    )


def evaluation_html(figures: Mapping[str, Any], plots: Mapping[str, Path]) -> str:
    """One model's report.

    Args:
        figures: what `evaluate.report` gave.
        plots: PNG files by name, out of `CAPTIONS`; embedded in this order.
    """
    shown = _Figures(figures)
    notes = (f"{figures['images']} images.", *_how_intervals(figures["intervals"]))
    binary = (shown.targets(),)
    if figures["at_thresholds"]:
        binary += (shown.at_thresholds(),)
    sections = [
        _Section("All classes", notes, (shown.headline(), shown.per_class())),
        _Section("One question at a time", (), binary),
        _Section("Plots", (), (), _plots(plots)),
    ]
    if figures["groups"]:
        note = (
            "Means are over the classes that occur in the group. Groups of fewer than 20 images, "
            "and melanoma figures of fewer than 5 melanomas, are left out as noise."
        )
        sections.append(_Section("Groups", (note,), shown.groups()))
    if figures["attention_on_lesion"]:
        sections.append(_Section("Attention on the lesion", (), (shown.attention(),)))
    if figures["unreadable"]:
        unreadable = tuple(figures["unreadable"])
        sections.append(_Section("Images that could not be read, and are left out", unreadable))
    return _render(_Page("SkinEdge evaluation", figures["about"], tuple(sections)))


def _difference(found: Mapping[str, float] | None) -> str:
    if found is None or np.isnan(found["difference"]):
        return "–"
    return f"{found['difference']:+.4f} ({found['low']:+.3f} to {found['high']:+.3f})"


def _side_by_side(models: Mapping[str, Mapping[str, Any]]) -> _Table:
    shown = [_Figures(figures) for figures in models.values()]
    rows = [("images", *(str(model.figures["images"]) for model in shown))]
    rows += [
        (title, *(model.cell(model.figures[key], key) for model in shown))
        for key, title in HEADLINE.items()
    ]
    for path, title in ENERGY.items():
        energy = [(model.figures["attention_on_lesion"] or {}).get("mean") for model in shown]
        cells = (model.cell(mean, path) for model, mean in zip(shown, energy, strict=True))
        rows.append((title, *cells))
    return _Table("", ("figure", *models), tuple(rows))


def _minus_baseline(differences: Mapping[str, Mapping[str, Mapping[str, float]]]) -> _Table:
    rows = tuple(
        (title, *(_difference(found.get(key)) for found in differences.values()))
        for key, title in {**HEADLINE, **ENERGY}.items()
    )
    return _Table("", ("figure", *differences), rows)


def comparison_html(comparison: Mapping[str, Any], plots: Mapping[str, Path]) -> str:
    """Several models' report.

    Args:
        comparison: what `comparison.compare` gave.
        plots: PNG files by name, out of `CAPTIONS`; embedded in this order.
    """
    models = comparison["models"]
    first = models[comparison["baseline"]]
    apart = comparison["apart"]
    notes = _how_intervals(first["intervals"], bool(apart))
    if apart:
        own = (
            f"{', '.join(apart)} answered other images than {comparison['baseline']}, such as the "
            "test part of another clinic or fold: figures and curves are each model's on its own "
            "images, and no difference is taken."
        )
        notes = (own, *notes)
    sections = [_Section("Figures", notes, (_side_by_side(models),))]
    if comparison["differences"]:
        note = (
            "Both models are redrawn on the same images. An interval that leaves out 0 is a "
            "difference that another sample of lesions would probably show too."
        )
        table = _minus_baseline(comparison["differences"])
        sections.append(_Section(f"Minus {comparison['baseline']}", (note,), (table,)))
    if plots:
        sections.append(_Section("Plots", (), (), _plots(plots)))
    about = {
        name: text
        for name, text in first["about"].items()
        if all(model["about"].get(name) == text for model in models.values())
    }
    return _render(_Page("SkinEdge comparison", about, tuple(sections)))
