"""The gate: a compressed model that silently lost its sensitivity or its attention stays behind.

The compressed file and the float file answer for the same images of the validation split, each
through the edge library. What the compressed one may lose is data (`Limits`), part of the
compression recipe. A gain never fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from skinedge.train.answers import Answers
from skinedge.train.evaluate import report

from .fidelity import fidelity
from .recipe import Limits

__all__ = ["Check", "Verdict", "judge"]


@dataclass(frozen=True)
class Check:
    """One row of the gate's table.

    Attributes:
        figure: what is compared.
        full: the float model's; None for figures of the pair.
        compressed: the compressed model's, or the pair's.
        limit: the worst that `compressed` may be.
        at_least: whether `compressed` must be at least the limit, or at most.
    """

    figure: str
    full: float | None
    compressed: float
    limit: float
    at_least: bool

    @property
    def passed(self) -> bool:
        if math.isnan(self.compressed):
            return False
        slack = 1e-9
        if self.at_least:
            return self.compressed >= self.limit - slack
        return self.compressed <= self.limit + slack


@dataclass(frozen=True)
class Verdict:
    """What the gate found on the validation split."""

    images: int
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    def describe(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {
            "split": "validation",
            "images": self.images,
            "passed": self.passed,
            "checks": [{**asdict(check), "passed": check.passed} for check in self.checks],
        }

    def table(self) -> str:
        """For people, one line a check."""
        rows = [f"{'':34}{'float':>9}{'this':>9}{'limit':>12}"]
        for check in self.checks:
            full = "" if check.full is None else f"{check.full:.4f}"
            limit = f"{'>=' if check.at_least else '<='} {check.limit:.4f}"
            verdict = "" if check.passed else "  FAILED"
            rows.append(f"{check.figure:34}{full:>9}{check.compressed:9.4f}{limit:>12}{verdict}")
        return "\n".join(rows)


def _metrics(full: dict[str, Any], ours: dict[str, Any], limits: Limits) -> Iterator[Check]:
    falls = (
        ("balanced accuracy", "balanced_accuracy", limits.balanced_accuracy),
        ("macro AUROC", "macro_auroc", limits.macro_auroc),
        ("melanoma AUROC", "melanoma_auroc", limits.melanoma_auroc),
    )
    for name, key, fall in falls:
        if not math.isnan(full[key]):  # melanoma, where it is none of the classes
            yield Check(name, full[key], ours[key], full[key] - fall, True)
    error = "expected_calibration_error"
    rise = full[error] + limits.calibration_error
    yield Check("calibration error (ECE)", full[error], ours[error], rise, False)
    for before, after in zip(full["at_thresholds"], ours["at_thresholds"], strict=True):
        pairs = {
            "sensitivity at its threshold": ("sensitivity", limits.sensitivity),
            "specificity there": ("specificity", before["specificity"] - limits.specificity),
        }
        for what, (key, wanted) in pairs.items():
            if not math.isnan(before[key]):  # specificity, where every class is malignant
                lowest = min(wanted, before[key])
                yield Check(f"{after['target']} {what}", before[key], after[key], lowest, True)


def _attention(
    full: dict[str, Any], ours: dict[str, Any], correlation: float, overlap: float, limits: Limits
) -> Iterator[Check]:
    least = limits.attention_correlation
    yield Check("attention correlation", None, correlation, least, True)
    yield Check("attention top 20 % overlap", None, overlap, limits.attention_overlap, True)
    before, after = full["attention_on_lesion"], ours["attention_on_lesion"]
    if before is not None and after is not None:
        lowest = before["mean"] - limits.attention_on_lesion
        yield Check("attention on the lesion", before["mean"], after["mean"], lowest, True)


def judge(
    full: Answers,
    compressed: Answers,
    thresholds: Callable[[Answers], list[dict[str, Any]]],
    partitions: tuple[int, int],
    limits: Limits,
) -> Verdict:
    """Compare the answers of both files to the validation split.

    Args:
        full: the float file's.
        compressed: the compressed file's, to the same images.
        thresholds: makes decision thresholds from answers; each model gets its own.
        partitions: delegate partitions of the float and of the compressed file.
        limits: what may be lost. A model without a map is not asked for one, but one that had a
            map must still have it.
    """
    before, after = (report(answers, thresholds(answers)) for answers in (full, compressed))
    pair = fidelity(full, compressed)
    checks = [
        *_metrics(before, after, limits),
        Check("same class as float", None, pair.agreement, limits.agreement, True),
    ]
    if full.attention is not None:
        checks += _attention(
            before, after, pair.attention_correlation, pair.attention_overlap, limits
        )
    if limits.partitions is not None:
        most = max(limits.partitions, partitions[0])
        checks.append(Check("delegate partitions", *map(float, partitions), float(most), False))
        least = float(min(1, partitions[0]))
        checks.append(Check("delegate runs any of it", *map(float, partitions), least, True))
    return Verdict(len(full.labels), tuple(checks))
