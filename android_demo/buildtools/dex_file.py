"""Read a dex file: the classes it defines, and every class, field and method that it names."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from . import class_file

_NO_INDEX = 0xFFFFFFFF
_NATIVE = 0x0100
_Members = list[tuple[str, str]]  # descriptor of a class, and a member as in class_file


@dataclass
class Defined:
    """A class in the program; names as in class files (`java/lang/Object`)."""

    superclass: str | None
    interfaces: tuple[str, ...]
    members: set[str] = field(default_factory=set)
    natives: set[str] = field(default_factory=set)  # names of its native methods


@dataclass
class Dex:
    """`types` are class names, `members` pairs of a class and a member as in `class_file`."""

    defined: dict[str, Defined] = field(default_factory=dict)
    types: set[str] = field(default_factory=set)
    members: set[tuple[str, str]] = field(default_factory=set)


def read_dex(data: bytes) -> Dex:
    """Of Android's "Dalvik executable format", versions 035 to 040."""
    strings = [_string(data, at) for (at,) in _table(data, 0, "<I")]
    types = [strings[index] for (index,) in _table(data, 1, "<I")]
    prototypes = [
        f"({''.join(types[i] for i in _type_list(data, parameters))}){types[result]}"
        for _, result, parameters in _table(data, 2, "<III")
    ]
    fields = [
        (types[owner], class_file.field(strings[name], types[kind]))
        for owner, kind, name in _table(data, 3, "<HHI")
    ]
    methods = [
        (types[owner], class_file.method(strings[name], prototypes[prototype]))
        for owner, prototype, name in _table(data, 4, "<HHI")
    ]
    dex = Dex(
        types={name for name in map(class_name, types) if name},
        members={
            (class_name(owner) or "java/lang/Object", member) for owner, member in fields + methods
        },
    )
    for row in _table(data, 5, "<8I"):
        kind, _, parent, interfaces, _, _, content, _ = row
        defined = Defined(
            types[parent][1:-1] if parent != _NO_INDEX else None,
            tuple(types[index][1:-1] for index in _type_list(data, interfaces)),
        )
        if content:
            _add_members(data, content, fields, methods, defined)
        dex.defined[types[kind][1:-1]] = defined
    return dex


def class_name(descriptor: str) -> str | None:
    """The class in a descriptor, or in an array of it; None for primitive types."""
    element = descriptor.lstrip("[")
    return element[1:-1] if element.startswith("L") else None


def _table(data: bytes, number: int, layout: str) -> list[tuple[int, ...]]:
    """The rows of one of the header's tables: strings, types, prototypes, fields, methods,
    classes."""
    count, at = struct.unpack_from("<II", data, 56 + 8 * number)
    size = struct.calcsize(layout)
    return [struct.unpack_from(layout, data, at + size * index) for index in range(count)]


def _type_list(data: bytes, at: int) -> tuple[int, ...]:
    if not at:
        return ()
    (count,) = struct.unpack_from("<I", data, at)
    return struct.unpack_from(f"<{count}H", data, at + 4)


def _string(data: bytes, at: int) -> str:
    _, at = _uleb128(data, at)  # its length in UTF-16 units
    return data[at : data.index(b"\0", at)].decode("utf-8", "replace")


def _uleb128(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _add_members(
    data: bytes, at: int, fields: _Members, methods: _Members, defined: Defined
) -> None:
    counts = []
    for _ in range(4):  # static fields, instance fields, direct methods, virtual methods
        count, at = _uleb128(data, at)
        counts.append(count)
    for section, count in enumerate(counts):
        index = 0
        for _ in range(count):
            step, at = _uleb128(data, at)
            access, at = _uleb128(data, at)
            index += step
            if section < 2:
                defined.members.add(fields[index][1])
                continue
            _, at = _uleb128(data, at)  # where its code is
            defined.members.add(methods[index][1])
            if access & _NATIVE:
                defined.natives.add(methods[index][1].partition("(")[0])
