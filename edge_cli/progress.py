"""What long work says on stderr while it goes on, and what it warns of."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

__all__ = ["lines", "said_in_a_line"]


def lines(to: TextIO | None = None) -> Callable[[str, int], Callable[[int], None]]:
    """A progress display: a line before each step, and a count of its items on a terminal.

    Args:
        to: where it goes; stderr if not given.

    Returns:
        A function of a step's line and its number of items (0: not known), which returns a
        function of the number of items done since the last call.
    """
    stream = to or sys.stderr

    def begin(step: str, items: int) -> Callable[[int], None]:
        print(step, file=stream, flush=True)
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if items and stream.isatty():
                end = "\n" if done == items else ""
                print(f"\r  {done}/{items}", end=end, file=stream, flush=True)

        return advance

    return begin


@contextmanager
def said_in_a_line() -> Iterator[None]:
    """What is warned of, as people read it, and once."""
    with warnings.catch_warnings(record=True) as notices:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for message in dict.fromkeys(str(notice.message) for notice in notices):
                print(f"skinedge: warning: {message}", file=sys.stderr)
