"""How predictions read, the same in every command."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skinedge.prediction import Decision

__all__ = ["decision_line"]


def decision_line(decision: Decision) -> str:
    """A decision in words: `malignant: 12.3% is at or above its threshold 8.0%`."""
    verdict = "at or above" if decision.positive else "below"
    return (
        f"{decision.target}: {decision.score:.1%} is {verdict} its threshold "
        f"{decision.threshold:.1%}"
    )
