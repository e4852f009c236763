"""Times of several things done in turn, so that whatever slows the machine slows all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from .results import Spread

__all__ = ["interleaved", "spread"]

# Runs of one thing before the next one's turn. Its weights come back into the caches in an untimed
# run before them: nobody's inference starts from another network's leavings.
BLOCK = 5


def interleaved(
    calls: Sequence[Callable[[], object]],
    runs: Sequence[int],
    warm_up: int = 10,
    advance: Callable[[int], None] = lambda timed: None,
) -> list[np.ndarray]:
    """Time calls block by block, in rounds.

    Args:
        calls: what to time.
        runs: timed runs of each, at least 1; those with few are spread over all rounds.
        warm_up: untimed runs of each before the first round.
        advance: called with the number of runs timed since it was last called.

    Returns:
        float64 milliseconds `[runs]` of each call.
    """
    for call in calls:
        for _ in range(warm_up):
            call()
    rounds = max(-(-most // BLOCK) for most in runs)
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds):
        for call, wanted, timed in zip(calls, runs, times, strict=True):
            block = wanted * (turn + 1) // rounds - len(timed)
            if not block:
                continue
            call()
            for _ in range(block):
                start = time.perf_counter()
                call()
                timed.append(1e3 * (time.perf_counter() - start))
            advance(block)
    return [np.array(timed) for timed in times]


def spread(times: np.ndarray) -> Spread:
    """Median, 5th and 95th percentile of `[runs]` milliseconds."""
    median, p5, p95 = (float(np.percentile(times, q)) for q in (50, 5, 95))
    return Spread(median, p5, p95, len(times))
