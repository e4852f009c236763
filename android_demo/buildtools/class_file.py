"""Read a Java class file: what it is, what it declares, which names it uses.

>>> read_class(jar.read("android/view/View.class")).superclass
'java/lang/Object'
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_PUBLIC_OR_PROTECTED = 0x0001 | 0x0004
_JAVA_8 = 52
_TEXT, _INTEGER, _CLASS, _DYNAMIC, _LONG_OR_DOUBLE = 1, 3, 7, (17, 18), (5, 6)
# Bytes after the tag, by tag; texts say their own length.
_SIZES = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2}
_SIZES |= {17: 4, 18: 4, 19: 2, 20: 2}
_IN_DESCRIPTOR = re.compile(r"L([^;<]+)[;<]")


def method(name: str, descriptor: str) -> str:
    return f"{name}{descriptor}"


def field(name: str, descriptor: str) -> str:
    return f"{name}#{descriptor}"


@dataclass(frozen=True)
class Member:
    """A public or protected field or method."""

    name: str
    descriptor: str
    is_field: bool
    declaration: bytes  # its part of the class file, without code and other attributes


@dataclass(frozen=True)
class ClassFile:
    """Names of classes are spelt with slashes."""

    name: str
    superclass: str | None
    interfaces: tuple[str, ...]
    declared: tuple[Member, ...]
    texts: frozenset[str]  # every name and descriptor in it, among other texts
    classes: frozenset[str]  # that it names
    head: bytes  # the class file up to its fields

    @cached_property
    def members(self) -> frozenset[str]:
        """Spelt as `length()I` and `out#Ljava/io/PrintStream;`."""
        return frozenset(
            (field if member.is_field else method)(member.name, member.descriptor)
            for member in self.declared
        )

    def stub(self, names: Collection[str]) -> bytes:
        """A class file of Java 8 that declares the class, and the members with these names."""
        wanted = [member for member in self.declared if member.name in names]
        fields = [member.declaration for member in wanted if member.is_field]
        methods = [member.declaration for member in wanted if not member.is_field]
        parts = [self.head]
        for group in (fields, methods):
            parts += [struct.pack(">H", len(group)), *group]
        return b"".join([*parts, b"\0\0"])


def read_class(data: bytes) -> ClassFile:
    pool, dynamic, at = _constant_pool(data)

    def class_name(index: int) -> str:
        name: str = pool[struct.unpack(">H", pool[index])[0]]
        return name

    _, this, parent, interfaces = struct.unpack_from(">4H", data, at)
    parents = struct.unpack_from(f">{interfaces}H", data, at + 8)
    end = at + 8 + 2 * interfaces
    head = bytearray(data[:end])
    struct.pack_into(">HH", head, 4, 0, _JAVA_8)
    for place in dynamic:  # they refer to an attribute that a stub has not
        head[place] = _INTEGER
    declared = []
    for is_field in (True, False):
        (count,) = struct.unpack_from(">H", data, end)
        end += 2
        for _ in range(count):
            access, name, descriptor = struct.unpack_from(">3H", data, end)
            if access & _PUBLIC_OR_PROTECTED:
                declaration = data[end : end + 6] + b"\0\0"
                declared.append(Member(pool[name], pool[descriptor], is_field, declaration))
            end = _after_attributes(data, end + 6)
    return ClassFile(
        class_name(this),
        class_name(parent) if parent else None,
        tuple(class_name(index) for index in parents),
        tuple(declared),
        frozenset(entry for entry in pool if isinstance(entry, str)),
        frozenset(_classes(pool)),
        bytes(head),
    )


def classes_in(descriptor: str) -> list[str]:
    """The classes that a descriptor or signature names."""
    return _IN_DESCRIPTOR.findall(descriptor)


def _constant_pool(data: bytes) -> tuple[list[Any], list[int], int]:
    """Texts as str, classes as the two bytes that point at their names, others as None; where
    dynamic constants stand; and where the pool ends."""
    (count,) = struct.unpack_from(">H", data, 8)
    pool: list[Any] = [None] * count
    dynamic = []
    at, index = 10, 1
    while index < count:
        tag = data[at]
        if tag == _TEXT:
            (length,) = struct.unpack_from(">H", data, at + 1)
            pool[index] = data[at + 3 : at + 3 + length].decode("utf-8", "replace")
            at += 3 + length
        else:
            if tag == _CLASS:
                pool[index] = data[at + 1 : at + 3]
            elif tag in _DYNAMIC:
                dynamic.append(at)
            at += 1 + _SIZES[tag]
        index += 2 if tag in _LONG_OR_DOUBLE else 1
    return pool, dynamic, at


def _classes(pool: list[Any]) -> Iterator[str]:
    for entry in pool:
        if isinstance(entry, bytes):
            name = pool[struct.unpack(">H", entry)[0]]
            if not name.startswith("["):
                yield name
        elif entry:
            yield from classes_in(entry)


def _after_attributes(data: bytes, at: int) -> int:
    (count,) = struct.unpack_from(">H", data, at)
    at += 2
    for _ in range(count):
        (length,) = struct.unpack_from(">I", data, at + 2)
        at += 6 + length
    return at
