"""A benchmark's results as a JSON file, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from skinedge.errors import UsageError
from skinedge.whole_file import write_whole

from .results import SCHEMA, Report

__all__ = ["read", "to_json", "write"]


def _plain(value: Any) -> Any:
    """What JSON can say: NaN and infinity become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def to_json(report: Report) -> str:
    """The report as JSON, two spaces deep, in the order of its fields."""
    return json.dumps(_plain(asdict(report)), indent=2, allow_nan=False) + "\n"


def write(report: Report, path: Path) -> None:
    """Write whole or not at all.

    Raises:
        OSError: the disk is full, say.
    """
    write_whole(path, to_json(report).encode())


def _made(kind: Any, value: Any) -> Any:
    """A value of a type hint from what JSON says."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return None if value is None else _made(inner, value)
    if origin is tuple:
        kinds = [arguments[0]] * len(value) if arguments[-1] is ... else arguments
        return tuple(_made(k, item) for k, item in zip(kinds, value, strict=True))
    if origin is dict:
        return {key: _made(arguments[1], item) for key, item in value.items()}
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        known = {f.name for f in fields(kind)} & value.keys()
        return kind(**{name: _made(hints[name], value[name]) for name in known})
    # null where a number belongs is one that was not finite.
    wide = {float: (int, float, type(None))}.get(kind, kind)
    if not isinstance(value, wide) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def read(path: Path) -> Report:
    """A report from its file.

    Raises:
        UsageError: the file cannot be read, or is no report of this schema.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        schema = plain["schema"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{path}: not a benchmark's JSON; make one with --out") from error
    if schema != SCHEMA:
        raise UsageError(f"{path}: has schema {schema}, this SkinEdge reads {SCHEMA}")
    try:
        report = _made(Report, plain)
    except (TypeError, ValueError, AttributeError, KeyError, RecursionError) as error:
        raise UsageError(f"{path}: a damaged benchmark's JSON: {error}") from error
    assert isinstance(report, Report)
    return report
