"""Look a name up in one of the zoo's tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from skinedge.errors import UsageError

__all__ = ["row"]

Row = TypeVar("Row")


def row(table: Mapping[str, Row], kind: str, name: str) -> Row:
    """The row called `name`; UsageError lists what there is."""
    try:
        return table[name]
    except KeyError:
        raise UsageError(f"unknown {kind} {name!r}; there are: {', '.join(table)}") from None
