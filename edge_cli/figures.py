"""Figures of an evaluation as lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import Any

__all__ = ["comparison_text", "evaluation_text"]

HEADLINE = {
    "balanced_accuracy": "balanced accuracy",
    "macro_auroc": "macro AUROC",
    "melanoma_auroc": "melanoma AUROC",
    "accuracy": "accuracy",
    "expected_calibration_error": "calibration error",
}


def _interval(figures: Mapping[str, Any], path: str) -> str:
    low, high = ((figures["intervals"] or {}).get("of", {})).get(path, (float("nan"),) * 2)
    return "" if isnan(low) else f"  ({low:.4f} to {high:.4f})"


def _attention(figures: Mapping[str, Any]) -> list[str]:
    found = figures["attention_on_lesion"]
    if found is None:
        return []
    return [
        f"  attention energy on the lesion {found['mean']:.4f}"
        f"{_interval(figures, 'attention_on_lesion.mean')} of {found['images']} images with a "
        f"mask; a uniform map has {found['uniform']:.4f}, a centred one {found['centred']:.4f}"
    ]


def evaluation_text(figures: Mapping[str, Any], what: str) -> str:
    """One model's figures (`train.evaluate.report`), under a line that says of what."""
    lines = [f"{what}: {figures['images']} images"]
    lines += [
        f"  {name:18} {figures[key]:.4f}{_interval(figures, key)}" for key, name in HEADLINE.items()
    ]
    lines.append(
        f"  {'class':6} {'images':>6} {'sensitivity':>11} {'specificity':>11} {'AUROC':>7}"
    )
    for code, row in figures["per_class"].items():
        lines.append(
            f"  {code:6} {row['images']:6d} {row['sensitivity']:11.4f} "
            f"{row['specificity']:11.4f} {row['auroc']:7.4f}"
        )
    for rule in figures["at_thresholds"]:
        lines.append(
            f"  {rule['target']} at its threshold {rule['threshold']:.4f}: sensitivity "
            f"{rule['sensitivity']:.4f}, specificity {rule['specificity']:.4f}"
        )
    return "\n".join(lines + _attention(figures))


def comparison_text(comparison: Mapping[str, Any]) -> str:
    """Several models' figures (`train.comparison.compare`), one after the other, and how far
    each is from the first, if it answered the same images."""
    baseline = comparison["baseline"]
    lines = [evaluation_text(figures, name) for name, figures in comparison["models"].items()]
    for name, differences in comparison["differences"].items():
        lines.append(f"{name} minus {baseline}, on the same images:")
        for key, title in HEADLINE.items():
            found = differences.get(key)
            if found and not isnan(found["difference"]):
                lines.append(
                    f"  {title:18} {found['difference']:+.4f}  "
                    f"({found['low']:+.4f} to {found['high']:+.4f})"
                )
    for name in comparison["apart"]:
        lines.append(f"{name} answered other images than {baseline}: no difference is taken")
    return "\n".join(lines)
