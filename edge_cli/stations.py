"""Import a station of the pipeline, or say in one line what to install for it."""

from __future__ import annotations

import importlib
from typing import Any

from skinedge.errors import RuntimeMissingError

__all__ = ["station"]


def station(module: str, extra: str) -> Any:
    """Import `skinedge.<module>`, which SkinEdge's optional install `extra` makes work.

    Raises:
        RuntimeMissingError: a package it needs is not installed.
    """
    try:
        return importlib.import_module(f"skinedge.{module}")
    except ModuleNotFoundError as error:
        raise RuntimeMissingError(
            f"this command needs the package {error.name!r}: "
            f"pip install '.[{extra}]' in SkinEdge's folder"
        ) from error
