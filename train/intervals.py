"""Bootstrap intervals: what another sample of lesions might have said.

Lesions are drawn with replacement, and with a lesion all its images (Efron and Tibshirani 1993,
chapter 13, percentile intervals). A class that a draw happens to miss leaves its figures out of
that draw. The calibration error is at least 0 and grows with every redraw of the same images, so
its interval lies high; read it as an upper bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skinedge.errors import DatasetError

from .answers import Answers
from .attention_on_lesion import AttentionOnLesion, attention_on_lesion
from .draws import figures_of_draws
from .groups import group_draws

__all__ = [
    "Bootstrap",
    "intervals",
    "paired_differences",
    "percentile_interval",
    "resample",
    "same_questions",
]

# Draws at a time: 10,000 images need some 10 MB an array.
CHUNK = 100


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are taken: how many draws, how sure (0 to 1), and from which seed."""

    draws: int = 1000
    confidence: float = 0.95
    seed: int = 0


def resample(lesions: np.ndarray, bootstrap: Bootstrap) -> np.ndarray:
    """Draw lesions with replacement.

    Args:
        lesions: `[n]`, the lesion each image shows, by any name.
        bootstrap: how many draws, from which seed.

    Returns:
        int64 `[draws, n]`: how often each image is in each draw.
    """
    names, which = np.unique(lesions, return_inverse=True)
    rng = np.random.default_rng(bootstrap.seed)
    share = np.full(len(names), 1 / len(names))
    return rng.multinomial(len(names), share, size=bootstrap.draws)[:, which]


def percentile_interval(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """The middle `confidence` of `[draws]` values, NaN left out; (NaN, NaN) if none is left."""
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, (tail, 1 - tail))
    return float(low), float(high)


def _chunks(lesions: np.ndarray, bootstrap: Bootstrap) -> Iterator[np.ndarray]:
    counts = resample(lesions, bootstrap)
    for start in range(0, len(counts), CHUNK):
        yield counts[start : start + CHUNK]


def intervals(
    answers: Answers,
    bootstrap: Bootstrap | None = None,
    thresholds: Iterable[Mapping[str, Any]] = (),
    attention: AttentionOnLesion | None = None,
) -> dict[str, list[float]]:
    """An interval for every figure of `figures_of_draws` and `group_draws`.

    Returns:
        name -> [low, high]. Both are NaN where no two draws differ, as with seven melanomas of
        seven found: redrawing cannot tell how sure that is, and a point would look like it.
    """
    chosen, rules = bootstrap or Bootstrap(), tuple(thresholds)
    parts = [
        {
            **figures_of_draws(answers, counts, rules, attention),
            **group_draws(answers, counts, rules),
        }
        for counts in _chunks(answers.lesions(), chosen)
    ]
    found = {}
    for name in parts[0]:
        draws = np.concatenate([part[name] for part in parts])
        low, high = percentile_interval(draws, chosen.confidence)
        found[name] = [low, high] if low < high else [float("nan"), float("nan")]
    return found


def same_questions(one: Answers, other: Answers) -> bool:
    """Whether both answered the same images with the same classes."""
    return (
        one.classes == other.classes
        and np.array_equal(one.labels, other.labels)
        and [i.image_id for i in one.images] == [i.image_id for i in other.images]
    )


def paired_differences(
    one: Answers, other: Answers, bootstrap: Bootstrap | None = None
) -> dict[str, dict[str, float]]:
    """How much higher each figure of `one` is than `other`'s, on the same images.

    Both models are redrawn together, so what makes a draw hard for both cancels.

    Returns:
        name (see `draws.figures_of_draws`) -> `difference`, `low`, `high`. An interval that
        leaves out 0 is a difference that another sample of lesions would probably show too.

    Raises:
        DatasetError: they were not asked about the same images, or have other classes.
    """
    if not same_questions(one, other):
        raise DatasetError("the models did not answer the same images with the same classes")
    chosen = bootstrap or Bootstrap()
    every_image = np.ones((1, len(one.labels)))
    on_lesion = [attention_on_lesion(said.attention, said.images) for said in (one, other)]

    def difference(counts: np.ndarray) -> dict[str, np.ndarray]:
        left = figures_of_draws(one, counts, (), on_lesion[0])
        right = figures_of_draws(other, counts, (), on_lesion[1])
        return {name: left[name] - right[name] for name in left if name in right}

    parts = [difference(counts) for counts in _chunks(one.lesions(), chosen)]
    found = {}
    for name, value in difference(every_image).items():
        draws = np.concatenate([part[name] for part in parts])
        low, high = percentile_interval(draws, chosen.confidence)
        found[name] = {"difference": float(value[0]), "low": low, "high": high}
    return found
