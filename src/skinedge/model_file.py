"""A `.tflite` that explains itself: its labels, thresholds, metrics and licence travel inside.

A SkinEdge model is a TFLite flatbuffer with a zip archive appended, the way standard TFLite
metadata carries label files. The archive holds `labels.txt` and `skinedge.json`, the card.
Any other classifier is accepted too, with labels from a file.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ModelFileError

__all__ = [
    "CARD",
    "EMBEDDED",
    "SCHEMA",
    "ClassLabel",
    "ModelFile",
    "parse_model",
    "read_labels",
    "read_model",
]

CARD = "skinedge.json"
SCHEMA = 1
_CARD_KEYS = (
    "attention",
    "flatbuffer_bytes",
    "flatbuffer_crc32",
    "input",
    "labels",
    "licence",
    "metrics",
    "name",
    "quantization",
    "recipe",
    "thresholds",
    "training",
)
EMBEDDED = Path(__file__).parent / "models" / "edge.tflite"


@dataclass(frozen=True)
class ClassLabel:
    """A class as the file names it; `malignant` is None where the file does not say."""

    code: str
    name: str
    malignant: bool | None


@dataclass(frozen=True)
class ModelFile:
    """A model file, read and verified.

    Attributes:
        path: where it was read from.
        content: the whole file.
        labels: the classes in output order.
        card: `skinedge.json` as plain values, or None for a file that is not SkinEdge's.
    """

    path: Path
    content: bytes
    labels: tuple[ClassLabel, ...]
    card: dict[str, Any] | None

    @property
    def map_shape(self) -> tuple[int, int] | None:
        """Height and width of the attention map, or None without one."""
        attention = (self.card or {}).get("attention")
        return (attention["height"], attention["width"]) if attention else None


def read_labels(path: str | os.PathLike[str]) -> tuple[ClassLabel, ...]:
    """Read one label a line, in output order.

    Raises:
        ModelFileError: the file is missing, not UTF-8, or empty.
    """
    try:
        # Windows' editors begin a file with a mark that would become part of the first label.
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{os.fspath(path)}: cannot read these labels: {error}") from error
    codes = [line.strip() for line in lines if line.strip()]
    if not codes:
        raise ModelFileError(f"{os.fspath(path)}: holds no labels; write one a line")
    return tuple(ClassLabel(code, code, None) for code in codes)


def _card(path: Path, content: bytes) -> dict[str, Any] | None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            card = json.loads(archive.read(CARD))
    except (zipfile.BadZipFile, KeyError):
        return None
    except (ValueError, RuntimeError, EOFError, OSError, struct.error, zlib.error) as error:
        raise ModelFileError(f"{path}: its {CARD} is damaged: {error}") from error
    if not isinstance(card, dict):
        raise ModelFileError(f"{path}: its {CARD} is damaged: not a JSON object")
    if card.get("schema") != SCHEMA:
        raise ModelFileError(
            f"{path}: its {CARD} has schema {card.get('schema')!r}, this SkinEdge reads {SCHEMA}; "
            "update SkinEdge or export the model again"
        )
    lacking = [key for key in _CARD_KEYS if key not in card]
    if lacking:
        raise ModelFileError(f"{path}: its {CARD} lacks {', '.join(lacking)}; export it again")
    flatbuffer = content[: card["flatbuffer_bytes"]]
    if zlib.crc32(flatbuffer) != card["flatbuffer_crc32"]:  # SHA-256 would cost 4 ms a start
        raise ModelFileError(f"{path}: damaged, its checksum does not match; copy it again")
    return card


def read_model(
    path: str | os.PathLike[str] | None = None, labels: str | os.PathLike[str] | None = None
) -> ModelFile:
    """Read and verify a model file.

    Args:
        path: a `.tflite`; None for the embedded default model.
        labels: a text file with one label a line, for a model without a card.

    Raises:
        ModelFileError: the file is missing, unreadable, damaged, no TFLite flatbuffer, or has
            neither a card nor labels.
    """
    file = EMBEDDED if path is None else Path(path)
    try:
        content = file.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise ModelFileError(f"{file}: cannot read this model: {reason}") from error
    return parse_model(content, file, labels)


def parse_model(
    content: bytes, file: Path, labels: str | os.PathLike[str] | None = None
) -> ModelFile:
    """Verify the bytes of a model file; `file` is what errors call it. See `read_model`."""
    if content[4:8] != b"TFL3":
        raise ModelFileError(f"{file}: not a TensorFlow Lite model; give a .tflite file")
    card = _card(file, content)
    if card is not None:
        if labels is not None:
            raise ModelFileError(f"{file}: names its own classes; leave --labels out")
        classes = tuple(ClassLabel(c["code"], c["name"], c["malignant"]) for c in card["labels"])
        return ModelFile(file, content, classes, card)
    if labels is None:
        raise ModelFileError(
            f"{file}: damaged, or without {CARD}; copy it again, "
            "or name its classes with --labels FILE, one a line"
        )
    return ModelFile(file, content, read_labels(labels), None)
