"""What models get right on the same images, and how sure their difference is."""

from __future__ import annotations

import math

from scipy.stats import binomtest

from skinedge.compress.fidelity import fidelity
from skinedge.train.answers import Answers
from skinedge.train.evaluate import ask, report
from skinedge.train.intervals import Bootstrap, intervals, paired_differences

from .results import Accuracy, Change

__all__ = ["METRICS", "Bootstrap", "accuracy", "ask", "change"]

METRICS = ("accuracy", "balanced_accuracy", "macro_auroc", "melanoma_auroc")


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def accuracy(said: Answers, dataset: str, split: str, bootstrap: Bootstrap) -> Accuracy:
    """A model's metrics with their intervals."""
    figures = report(said, [])
    found = intervals(said, bootstrap)
    known = [m for m in METRICS if m in found and not math.isnan(found[m][0])]
    return Accuracy(
        recorded=False,
        dataset=dataset,
        split=split,
        images=len(said.images),
        metrics={metric: _known(figures[metric]) for metric in METRICS},
        intervals={metric: (found[metric][0], found[metric][1]) for metric in known},
    )


def change(model: str, one: Answers, against: str, other: Answers, bootstrap: Bootstrap) -> Change:
    """One model against another on the same images.

    McNemar's test (1947) is the exact one: of the images that one alone gets right, how often a
    fair coin would have parted them as unevenly. It takes images as independent; the intervals
    draw lesions.
    """
    found = paired_differences(one, other, bootstrap)
    right, others = (a.probabilities.argmax(axis=1) == a.labels for a in (one, other))
    alone, lost = int((right & ~others).sum()), int((others & ~right).sum())
    close = fidelity(other, one)
    rows = {metric: found[metric] for metric in METRICS if metric in found}
    return Change(
        model=model,
        against=against,
        images=len(one.images),
        differences={
            metric: (row["difference"], row["low"], row["high"])
            for metric, row in rows.items()
            if not math.isnan(row["difference"])
        },
        mcnemar=float(binomtest(alone, alone + lost).pvalue) if alone + lost else 1.0,
        only_model=alone,
        only_other=lost,
        agreement=close.agreement,
        attention_correlation=_known(close.attention_correlation),
        attention_overlap=_known(close.attention_overlap),
    )
