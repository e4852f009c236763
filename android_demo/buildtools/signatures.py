"""Read a list of public API as Animal Sniffer writes it: a gzipped stream of Java objects."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Of the object stream protocol (Java Object Serialization Specification, chapter 6), what these
# files use.
_NULL, _REFERENCE, _CLASS, _OBJECT, _STRING, _ARRAY = 0x70, 0x71, 0x72, 0x73, 0x74, 0x75
_BLOCK, _END = 0x77, 0x78
_HAS_OWN_DATA = 0x01
_PRIMITIVES = {"B": 1, "C": 2, "D": 8, "F": 4, "I": 4, "J": 8, "S": 2, "Z": 1}
_HANDLES_START = 0x7E0000


@dataclass(frozen=True)
class PublicClass:
    """Names and members as in `class_file`."""

    superclass: str | None
    interfaces: tuple[str, ...]
    members: frozenset[str]


def read_signatures(path: Path) -> dict[str, PublicClass]:
    """The public classes of a platform by name, with their public and protected members."""
    stream = _ObjectStream(gzip.decompress(path.read_bytes()))
    classes = {}
    while (entry := stream.read()) is not None:
        classes[entry["name"]] = PublicClass(
            entry["superClass"],
            tuple(entry["superInterfaces"]),
            frozenset(entry["signatures"]["elements"]),
        )
    return classes


@dataclass(frozen=True)
class _ClassDescription:
    fields: list[tuple[str, str]]
    has_own_data: bool
    parent: _ClassDescription | None


class _ObjectStream:
    """Objects become dicts of their fields; what a class wrote by itself is under `elements`."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 4  # after the magic number and version
        self._handles: list[Any] = []

    def read(self) -> Any:
        tag = self._byte()
        if tag == _NULL:
            return None
        if tag == _REFERENCE:
            return self._handles[self._unpack(">I") - _HANDLES_START]
        if tag == _CLASS:
            return self._class_description()
        if tag == _OBJECT:
            return self._object()
        if tag == _STRING:
            return self._remember(self._text())
        if tag == _ARRAY:
            self.read()
            elements = self._remember([])
            elements.extend(self.read() for _ in range(self._unpack(">i")))
            return elements
        raise ValueError(f"unknown tag {tag:#x} in a list of API at byte {self._at}")

    def _class_description(self) -> _ClassDescription:
        self._text()
        self._at += 8  # serialVersionUID
        slot = len(self._handles)
        self._remember(None)
        flags = self._byte()
        fields = []
        for _ in range(self._unpack(">H")):
            kind, name = chr(self._byte()), self._text()
            if kind in "L[":
                self.read()
            fields.append((kind, name))
        self._own_data()
        description = _ClassDescription(fields, bool(flags & _HAS_OWN_DATA), self.read())
        self._handles[slot] = description
        return description

    def _object(self) -> dict[str, Any]:
        description: _ClassDescription | None = self.read()
        value: dict[str, Any] = self._remember({})
        lineage: list[_ClassDescription] = []
        while description is not None:
            lineage.insert(0, description)
            description = description.parent
        for part in lineage:
            for kind, name in part.fields:
                if kind in "L[":
                    value[name] = self.read()
                else:
                    self._at += _PRIMITIVES[kind]
            if part.has_own_data:
                value["elements"] = self._own_data()
        return value

    def _own_data(self) -> list[Any]:
        elements = []
        while self._data[self._at] != _END:
            if self._data[self._at] == _BLOCK:
                self._at += 2 + self._data[self._at + 1]
            else:
                elements.append(self.read())
        self._at += 1
        return elements

    def _remember(self, value: Any) -> Any:
        self._handles.append(value)
        return value

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _unpack(self, layout: str) -> int:
        value: int = struct.unpack_from(layout, self._data, self._at)[0]
        self._at += struct.calcsize(layout)
        return value

    def _text(self) -> str:
        length = self._unpack(">H")
        self._at += length
        return self._data[self._at - length : self._at].decode("utf-8", "replace")
