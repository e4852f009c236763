"""Say what the build is doing, and how long each step took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Steps:
    """Progress goes to standard error, so that a report can have standard output to itself."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.suffix = ""  # to each name, for steps that are done again

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        name += self.suffix
        print(f"{name:<40}", end="", file=sys.stderr, flush=True)
        start = time.monotonic()
        try:
            yield
        except BaseException:
            print(file=sys.stderr)
            raise
        self.seconds[name] = time.monotonic() - start
        print(f"{self.seconds[name]:6.1f} s", file=sys.stderr, flush=True)
