"""Run a benchmark as a command: what goes wrong is one line and an exit code."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from collections.abc import Callable

from skinedge.errors import SkinEdgeError

__all__ = ["as_command", "at_least_one"]


def at_least_one(text: str) -> int:
    """An argument's number of runs, threads or rounds.

    Raises:
        ArgumentTypeError: it is no whole number, or less than 1.
    """
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def as_command(main: Callable[[], None]) -> None:
    """Call `main`; exit with 2 for bad input and 1 for what the system refused."""
    try:
        main()
    except SkinEdgeError as error:
        sys.exit(_report(str(error), error.exit_code))
    except OSError as error:
        sys.exit(_report(f"{error.filename}: {error.strerror}", 1))


def _report(message: str, code: int) -> int:
    print(f"skinedge: {message}", file=sys.stderr)
    return code
