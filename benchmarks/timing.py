"""Times of several things done in turn, so that whatever slows the machine slows all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .results import Spread

__all__ = ["Timed", "interleaved", "spread"]

# Runs of one thing before the next one's turn. Its weights come back into the caches in an untimed
# run before them: nobody's inference starts from another network's leavings.
BLOCK = 5


@dataclass
class Timed:
    """The timed runs of one call: milliseconds, and what each returned."""

    ms: list[float] = field(default_factory=list)
    returned: list[Any] = field(default_factory=list)


def interleaved(
    calls: Sequence[Callable[[], object]],
    runs: Sequence[int],
    warm_up: int = 10,
    advance: Callable[[int], None] = lambda timed: None,
) -> list[Timed]:
    """Time calls block by block, in rounds.

    Args:
        calls: what to time.
        runs: timed runs of each, at least 1; those with few are spread over all rounds.
        warm_up: untimed runs of each before the first round.
        advance: called with the number of runs timed since it was last called.
    """
    for call in calls:
        for _ in range(warm_up):
            call()
    rounds = max((-(-most // BLOCK) for most in runs), default=0)
    found = [Timed() for _ in calls]
    for turn in range(rounds):
        for call, wanted, timed in zip(calls, runs, found, strict=True):
            block = wanted * (turn + 1) // rounds - len(timed.ms)
            if not block:
                continue
            call()
            for _ in range(block):
                start = time.perf_counter()
                returned = call()
                timed.ms.append(1e3 * (time.perf_counter() - start))
                timed.returned.append(returned)
            advance(block)
    return found


def spread(times: Sequence[float]) -> Spread:
    """Median, 5th and 95th percentile of milliseconds."""
    median, p5, p95 = (float(np.percentile(times, q)) for q in (50, 5, 95))
    return Spread(median, p5, p95, len(times))
