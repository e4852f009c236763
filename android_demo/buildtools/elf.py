"""Read what a loader needs to know of a 32- or 64-bit little-endian ELF library."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_LOAD, _DYNAMIC_SYMBOLS = 1, 11


@dataclass(frozen=True)
class Library:
    segment_alignment: int  # bytes; the least of the loaded segments'
    exported: frozenset[str]


def read_library(data: bytes) -> Library:
    wide = data[4] == 2
    word = "Q" if wide else "I"
    _, segments, sections, _, _, segment_size, segment_count, section_size, section_count, _ = (
        struct.unpack_from(f"<{3 * word}IHHHHHH", data, 24)
    )
    alignments = []
    for index in range(segment_count):
        at = segments + index * segment_size
        (kind,) = struct.unpack_from("<I", data, at)
        if kind == _LOAD:
            (alignment,) = struct.unpack_from(f"<{word}", data, at + (48 if wide else 28))
            alignments.append(alignment)
    headers = [
        struct.unpack_from(f"<II{4 * word}II{2 * word}", data, sections + index * section_size)
        for index in range(section_count)
    ]
    exported: set[str] = set()
    for _, kind, _, _, offset, size, link, _, _, entry_size in headers:
        if kind == _DYNAMIC_SYMBOLS:
            strings = headers[link][4]
            exported |= {
                _name(data, strings, at)
                for at in range(offset, offset + size, entry_size)
                if _is_defined(data, at, wide)
            }
    return Library(min(alignments), frozenset(exported))


def _name(data: bytes, strings: int, symbol: int) -> str:
    start = strings + struct.unpack_from("<I", data, symbol)[0]
    return data[start : data.index(b"\0", start)].decode("ascii", "replace")


def _is_defined(data: bytes, symbol: int, wide: bool) -> bool:
    section: int = struct.unpack_from("<H", data, symbol + (6 if wide else 14))[0]
    return section != 0
