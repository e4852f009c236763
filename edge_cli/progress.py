"""What long work says on stderr while it goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TextIO

__all__ = ["lines"]


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
