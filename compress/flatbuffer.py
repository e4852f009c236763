"""A TFLite model from the objects of its schema back to bytes."""

from __future__ import annotations

from typing import Any

import flatbuffers

__all__ = ["packed"]


def packed(model: Any) -> bytes:
    """The file of a `schema.ModelT`."""
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
