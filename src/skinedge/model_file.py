"""A `.tflite` that explains itself: its labels, thresholds, metrics and licence travel inside.

A SkinEdge model is a TFLite flatbuffer with a zip archive appended, the way standard TFLite
metadata carries label files. The archive holds `labels.txt` and `skinedge.json`, the card.
Any other classifier is accepted too, with labels from a file.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ModelFileError

__all__ = ["CARD", "EMBEDDED", "SCHEMA", "ClassLabel", "ModelFile", "read_labels", "read_model"]

CARD = "skinedge.json"
SCHEMA = 1
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
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{os.fspath(path)}: cannot read these labels: {error}") from error
    codes = [line.strip() for line in lines if line.strip()]
    if not codes:
        raise ModelFileError(f"{os.fspath(path)}: holds no labels; write one a line")
    return tuple(ClassLabel(code, code, None) for code in codes)


def _card(path: Path, content: bytes) -> dict[str, Any] | None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            card = dict(json.loads(archive.read(CARD)))
    except (zipfile.BadZipFile, KeyError):
        return None
    except ValueError as error:
        raise ModelFileError(f"{path}: its {CARD} is damaged: {error}") from error
    if card.get("schema") != SCHEMA:
        raise ModelFileError(
            f"{path}: its {CARD} has schema {card.get('schema')!r}, this SkinEdge reads {SCHEMA}; "
            "update SkinEdge or export the model again"
        )
    flatbuffer = content[: card["flatbuffer_bytes"]]
    if hashlib.sha256(flatbuffer).hexdigest() != card["flatbuffer_sha256"]:
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
    except OSError as error:
        raise ModelFileError(f"{file}: cannot read this model: {error.strerror}") from error
    if content[4:8] != b"TFL3":
        raise ModelFileError(f"{file}: not a TensorFlow Lite model; give a .tflite file")
    card = _card(file, content)
    if card is not None:
        classes = tuple(ClassLabel(c["code"], c["name"], c["malignant"]) for c in card["labels"])
        return ModelFile(file, content, classes, card)
    if labels is None:
        raise ModelFileError(
            f"{file}: damaged, or without {CARD}; copy it again, "
            "or name its classes with --labels FILE, one a line"
        )
    return ModelFile(file, content, read_labels(labels), None)
