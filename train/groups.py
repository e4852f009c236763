"""Figures by sex, age band, site and clinic, where the table has them.

Few images give noise, not figures: a group below `FEW_IMAGES` is reported with its size alone,
and its melanoma figures need `FEW_MELANOMAS` melanomas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .answers import Answers, targets
from .datasets.images import LabelledImage
from .draws import figures_of_draws

__all__ = ["AGE_BANDS", "age_band", "group_draws", "group_figures"]

FEW_IMAGES = 20
FEW_MELANOMAS = 5
UNKNOWN = "unknown"
# First year after the band, and its name.
AGE_BANDS = (
    (30.0, "under 30"),
    (50.0, "30-49"),
    (70.0, "50-69"),
    (float("inf"), "70 and over"),
)


def age_band(years: str) -> str:
    """The band of an age written as a number of years; "unknown" for anything else."""
    try:
        age = float(years)
    except ValueError:
        return UNKNOWN
    return next((name for end, name in AGE_BANDS if 0 <= age < end), UNKNOWN)


def _attribute(name: str) -> Callable[[LabelledImage], str]:
    return lambda image: image.attributes.get(name) or UNKNOWN


GROUPINGS: dict[str, Callable[[LabelledImage], str]] = {
    "sex": _attribute("sex"),
    "age": lambda image: age_band(image.attributes.get("age", "")),
    "site": _attribute("site"),
    "clinic": _attribute("clinic"),
}
# What a group is told of, and where `draws` has it.
FIGURES = {
    "balanced_accuracy": "balanced_accuracy",
    "macro_auroc": "macro_auroc",
    "melanoma_auroc": "melanoma_auroc",
    "melanoma_sensitivity": "at_thresholds.mel.sensitivity",
    "melanoma_specificity": "at_thresholds.mel.specificity",
}
OF_MELANOMA = ("melanoma_auroc", "melanoma_sensitivity", "melanoma_specificity")
_AGE_ORDER = [name for _, name in AGE_BANDS]


def _order(name: str) -> tuple[bool, int, str]:
    """Ages by age, all else by alphabet, unknown last."""
    return name == UNKNOWN, _AGE_ORDER.index(name) if name in _AGE_ORDER else 0, name


def _members(answers: Answers) -> Iterator[tuple[str, str, np.ndarray]]:
    """Grouping, group, and bool `[n]`: who belongs to it."""
    for grouping, group_of in GROUPINGS.items():
        names = np.array([group_of(image) for image in answers.images])
        groups = sorted(set(names.tolist()), key=_order)
        if groups != [UNKNOWN]:
            for group in groups:
                yield grouping, group, names == group


def _of_group(answers: Answers, thresholds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    asked = targets(answers)
    melanomas = int(asked["mel"][0].sum()) if "mel" in asked else 0
    figures = {"images": len(answers.labels), "melanomas": melanomas}
    if figures["images"] < FEW_IMAGES:
        return {**figures, **dict.fromkeys(FIGURES, float("nan"))}
    # The draw that holds each image once is the group itself.
    itself = _figures(answers, np.ones((1, figures["images"])), thresholds)
    return {**figures, **{name: float(values[0]) for name, values in itself.items()}}


def _figures(
    answers: Answers, counts: np.ndarray, thresholds: Sequence[Mapping[str, Any]]
) -> dict[str, np.ndarray]:
    """`FIGURES` of one group's draws, `[draws]` each."""
    found = figures_of_draws(answers, counts, thresholds)
    undefined = np.full(len(counts), np.nan)
    asked = targets(answers)
    few = "mel" not in asked or asked["mel"][0].sum() < FEW_MELANOMAS
    return {
        name: undefined if few and name in OF_MELANOMA else found.get(path, undefined)
        for name, path in FIGURES.items()
    }


def group_figures(
    answers: Answers, thresholds: Sequence[Mapping[str, Any]] = ()
) -> dict[str, dict[str, dict[str, Any]]]:
    """Figures of every group of every grouping that the table knows anything of.

    Args:
        answers: with their images; without them there are no groups.
        thresholds: as for `evaluate.report`; the one for `mel` gives melanoma's sensitivity and
            specificity.

    Returns:
        grouping (`sex`, `age`, `site`, `clinic`) -> group -> `images`, `melanomas`,
        `balanced_accuracy`, `macro_auroc` (both over the classes that occur in the group),
        `melanoma_auroc`, `melanoma_sensitivity`, `melanoma_specificity`; NaN where too few.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for grouping, group, here in _members(answers):
        found.setdefault(grouping, {})[group] = _of_group(answers.having(here), thresholds)
    return found


def group_draws(
    answers: Answers, counts: np.ndarray, thresholds: Sequence[Mapping[str, Any]] = ()
) -> dict[str, np.ndarray]:
    """The figures of `group_figures` in each draw (`draws.figures_of_draws`).

    Returns:
        `groups.sex.female.macro_auroc` and so on -> float64 `[draws]`; no group that is too
        small for figures.
    """
    found = {}
    for grouping, group, here in _members(answers):
        if here.sum() >= FEW_IMAGES:
            figures = _figures(answers.having(here), counts[:, here], thresholds)
            path = f"groups.{grouping}.{group}"
            found.update({f"{path}.{name}": values for name, values in figures.items()})
    return found
