"""Write an APK's zip: the same entries give the same bytes, and stored ones lie aligned."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Android maps native libraries by the page; pages have 4 KB, or 16 KB on newer phones.
PAGE = 16384
# The model's weights keep in memory the alignment that they have in its file.
MODEL_ALIGNMENT = 64
_ALIGNMENT_FIELD = 0xD935  # read by apksigner, which moves entries and aligns them again
_LOCAL_HEADER = 30
_EPOCH = (1981, 1, 1, 1, 1, 2)  # as the Android Gradle plugin writes


@dataclass(frozen=True)
class Entry:
    """A file in the zip: stored from a multiple of `alignment` bytes on, deflated if that is 0."""

    name: str
    data: bytes
    alignment: int = 0


@dataclass(frozen=True)
class Stored:
    """How an entry lies in a zip."""

    name: str
    compressed: bool
    bytes_in_zip: int
    offset: int  # of its data, from the start of the zip


def write_zip(path: Path, entries: Iterable[Entry]) -> None:
    with open(path, "wb") as raw, zipfile.ZipFile(raw, "w") as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name, date_time=_EPOCH)
            info.create_system = 0
            info.compress_type = zipfile.ZIP_STORED if entry.alignment else zipfile.ZIP_DEFLATED
            if entry.alignment:
                info.extra = _padding(raw.tell(), entry)
            archive.writestr(info, entry.data, compresslevel=9)
            info.extra = b""  # the directory at the end needs no padding


def _padding(start: int, entry: Entry) -> bytes:
    smallest = 6  # two bytes each for the field's kind, its length and the alignment
    data = start + _LOCAL_HEADER + len(entry.name.encode()) + smallest
    zeros = -data % entry.alignment
    return struct.pack("<HHH", _ALIGNMENT_FIELD, 2 + zeros, entry.alignment) + bytes(zeros)


def read_layout(path: Path) -> list[Stored]:
    """How each entry lies in the zip, by the header in front of its data."""
    with zipfile.ZipFile(path) as archive, open(path, "rb") as raw:
        layout = []
        for info in archive.infolist():
            raw.seek(info.header_offset + 26)
            name, extra = struct.unpack("<HH", raw.read(4))
            offset = info.header_offset + _LOCAL_HEADER + name + extra
            layout.append(
                Stored(
                    info.filename,
                    info.compress_type != zipfile.ZIP_STORED,
                    info.compress_size,
                    offset,
                )
            )
        return layout


def different_entries(first: Path, second: Path) -> list[str]:
    """Names of the entries that only one of two zips has, or that hold something else."""
    with zipfile.ZipFile(first) as one, zipfile.ZipFile(second) as other:
        entries = [{(info.filename, info.CRC) for info in z.infolist()} for z in (one, other)]
    return sorted({name for name, _ in entries[0] ^ entries[1]})
