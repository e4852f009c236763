"""An APK of a few kilobytes that passes the build's checks of its zip, to be broken by tests."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

from buildtools.apk_zip import MODEL_ALIGNMENT, PAGE, Entry, write_zip

MODEL = b"TFL3" * 300
ABI = "arm64-v8a"
LIBRARY = f"lib/{ABI}/libtiny.so"


def entries(*functions: str) -> dict[str, Entry]:
    """By name; the native library exports `functions`."""
    made = (
        Entry("AndroidManifest.xml", b"manifest"),
        Entry("assets/model.sha256", hashlib.sha256(MODEL).hexdigest().encode()),
        Entry("assets/model.tflite", MODEL, MODEL_ALIGNMENT),
        Entry(LIBRARY, elf(functions), PAGE),
        Entry("resources.arsc", b"table", 4),
    )
    return {entry.name: entry for entry in made}


def write(path: Path, made: dict[str, Entry]) -> Path:
    write_zip(path, made.values())
    return path


def elf(functions: tuple[str, ...]) -> bytes:
    """A 64-bit library: one segment, aligned to 4096 bytes, and a table of dynamic symbols."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in functions)
    symbols = bytes(24)
    for name in functions:
        symbols += struct.pack("<IBBHQQ", names.index(name.encode()), 0x12, 0, 1, 0x1000, 4)
    segment_at, symbols_at = 64, 64 + 56
    names_at = symbols_at + len(symbols)
    sections_at = names_at + len(names)
    header = b"\x7fELF\2\1\1".ljust(16, b"\0")
    header += struct.pack("<HHIQQQ", 3, 183, 1, 0, segment_at, sections_at)
    header += struct.pack("<IHHHHHH", 0, 64, 56, 1, 64, 2, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 64, 64, 4096)
    table = struct.pack("<IIQQQQIIQQ", 0, 11, 0, 0, symbols_at, len(symbols), 1, 0, 8, 24)
    texts = struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    return header + segment + symbols + names + table + texts
