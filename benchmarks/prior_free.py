"""Compare runs without the class prior that each chose for itself on its validation split.

Balanced accuracy is that of equal priors, AUROC that of the natural ones, for every run alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import softmax

from skinedge.errors import RunError
from skinedge.train.calibrate import Calibration
from skinedge.train.datasets import LabelledImages
from skinedge.train.metrics import auroc, balanced_accuracy, macro_auroc
from skinedge.train.runs import Run

__all__ = [
    "METRICS",
    "drawn_metrics",
    "equal_prior_logits",
    "melanoma_of",
    "metrics",
    "require_alike",
]

METRICS = ("balanced_accuracy", "macro_auroc", "melanoma_auroc")


def equal_prior_logits(shipped: np.ndarray, run: Run) -> np.ndarray:
    """The logits before `calibrate.fold`: float64 `[n, classes]`."""
    return Calibration(**run.describe()["calibration"]).equal_prior(shipped)


def melanoma_of(data: LabelledImages) -> int | None:
    """Which class melanoma is, if it is one."""
    return data.classes.index("mel") if "mel" in data.classes else None


def metrics(
    labels: np.ndarray, logits: np.ndarray, log_prior: np.ndarray, melanoma: int | None
) -> np.ndarray:
    """`METRICS` of equal-prior logits `[n, classes]`: float64 `[3]`; NaN without melanoma."""
    natural = softmax(logits + log_prior, axis=1)
    area = math.nan
    if melanoma is not None:
        area = auroc(labels == melanoma, natural[:, melanoma])
    return np.array([balanced_accuracy(labels, logits), macro_auroc(labels, natural), area])


def drawn_metrics(
    labels: np.ndarray,
    logits: np.ndarray,
    log_prior: np.ndarray,
    melanoma: int | None,
    draws: int,
) -> np.ndarray:
    """`METRICS` over bootstrap draws of lesions: float64 `[draws, 3]`.

    The draws are the same for every model, so that differences are paired.
    """
    rng = np.random.default_rng(0)
    chosen = [rng.integers(len(labels), size=len(labels)) for _ in range(draws)]
    return np.array([metrics(labels[c], logits[c], log_prior, melanoma) for c in chosen])


def _but_attention(run: Run) -> tuple[Any, ...]:
    described = run.describe()
    recipe = described["recipe"]
    spec = {**recipe["spec"], "attention": None}
    return described["split_sha256"], {**recipe, "spec": spec}


def require_alike(runs: Sequence[Run], seed: bool = False) -> None:
    """RunError unless the runs differ in attention and, if `seed` is False, in seed alone."""
    first = runs[0]
    for other in runs[1:]:
        alike = _but_attention(other) == _but_attention(first)
        if not alike or (seed and other.describe()["seed"] != first.describe()["seed"]):
            raise RunError(
                f"{other.folder}: differs from {first.folder} in more than attention; train it by "
                "the same recipe, split and seed with --attention"
            )
