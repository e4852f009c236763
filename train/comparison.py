"""Several models with the same classes: their figures, differences and ROC curves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skinedge.errors import DatasetError

from .answers import Answers, targets
from .evaluate import to_json
from .intervals import Bootstrap, paired_differences, same_questions

__all__ = ["compare", "write_comparison"]

SCHEMA = 1


def compare(
    answers: Mapping[str, Answers],
    figures: Mapping[str, dict[str, Any]],
    bootstrap: Bootstrap | None = None,
) -> dict[str, Any]:
    """Set models beside the first of them.

    Args:
        answers: what each model said, by its name; of the same images, or of its own test part.
        figures: each model's `evaluate.report`.
        bootstrap: how to take the intervals of differences; None for no differences.

    Returns:
        `schema`; `models`: the figures; `target`: the first of `answers.targets`, or
        None; `baseline`: the first name; `apart`: those that did not answer the baseline's
        images; `differences`: every other name -> its figures minus the baseline's, see
        `intervals.paired_differences`.

    Raises:
        DatasetError: they have other classes.
    """
    baseline, *others = answers
    if len({said.classes for said in answers.values()}) > 1:
        raise DatasetError("the models cannot be compared: they do not have the same classes")
    apart = [name for name in others if not same_questions(answers[name], answers[baseline])]
    return {
        "schema": SCHEMA,
        "models": dict(figures),
        "target": next(iter(targets(answers[baseline])), None),
        "baseline": baseline,
        "apart": apart,
        "differences": {
            name: paired_differences(answers[name], answers[baseline], bootstrap)
            for name in others
            if bootstrap and name not in apart
        },
    }


def write_comparison(
    folder: Path, answers: Mapping[str, Answers], comparison: dict[str, Any]
) -> None:
    """Write `comparison.json`, `roc_comparison.png` and both as one `report.html`.

    Without a binary target there is no plot.
    """
    from .plots import roc_comparison_plot
    from .report import comparison_html

    folder.mkdir(parents=True, exist_ok=True)
    text = to_json(comparison, indent=2) + "\n"
    (folder / "comparison.json").write_text(text, encoding="utf-8")
    plots = {}
    if comparison["target"]:
        curves = {
            f"{name} ({len(said.labels)} images)": targets(said)[comparison["target"]]
            for name, said in answers.items()
        }
        plots["roc_comparison"] = folder / "roc_comparison.png"
        roc_comparison_plot(curves, comparison["target"], plots["roc_comparison"])
    (folder / "report.html").write_text(comparison_html(comparison, plots), encoding="utf-8")
