"""An image's format and stored size, from its header and without decoding a pixel.

Reading the size first is what lets `skinedge.image` refuse a decompression bomb before any
memory is set aside for it.

    >>> bmp = b"BM" + bytes(12) + struct.pack("<Iii", 40, 640, -480)
    >>> read_header(bmp)
    ImageHeader(format='BMP', width=640, height=480)
"""

from __future__ import annotations

__all__ = [
    "JPEG_END",
    "JPEG_START_OF_SCAN",
    "ImageHeader",
    "jpeg_segments",
    "read_header",
    "tiff_tag",
]

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from skinedge.errors import ImageError

JPEG_START_OF_SCAN = 0xDA
JPEG_END = 0xD9
# SOF0 to SOF15; C4, C8 and CC in that range are tables, not frames.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Inside compressed data FF00 is an escaped FF, FFFF is padding and FFD0-FFD7 are restart marks.
_JPEG_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")

_TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_TIFF_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # BYTE, SHORT, LONG, LONG8


@dataclass(frozen=True)
class ImageHeader:
    """What the first bytes say. Width and height are as stored, before any EXIF rotation."""

    format: str
    width: int
    height: int


def read_header(data: bytes) -> ImageHeader:
    """Read format and size of an encoded image.

    Args:
        data: the file's bytes. The first few are enough, except for a TIFF, whose directory may
            lie at the end, and for a JPEG with metadata ahead of the frame.

    Returns:
        format is "JPEG", "PNG", "BMP", "WebP" or "TIFF"; width and height are at least 1.

    Raises:
        ImageError: no known format, or a header cut short or without a size. The text reads on
            from the file's name, which the caller puts in front.
    """
    if data.startswith(b"\xff\xd8\xff"):
        kind, size = "JPEG", _jpeg_size
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        kind, size = "PNG", _png_size
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        kind, size = "WebP", _webp_size
    elif data.startswith(_TIFF_MAGICS):
        kind, size = "TIFF", _tiff_size
    elif data.startswith(b"BM"):
        kind, size = "BMP", _bmp_size
    else:
        raise ImageError("is not a JPEG, PNG, BMP, WebP or TIFF image; convert it to one of these")
    try:
        width, height = size(data)
    except struct.error:
        width = height = 0
    if width < 1 or height < 1:
        raise ImageError(f"has a damaged or cut-short {kind} header; copy or download it again")
    return ImageHeader(kind, width, height)


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each (marker, payload) of a JPEG in file order, stepping over compressed data.

    A complete file ends with (JPEG_END, b""); a cut or overwritten one just stops earlier.
    """
    position = 2
    while match := _JPEG_MARKER.search(data, position):
        marker, start = match[1][0], match.end()
        length = int.from_bytes(data[start : start + 2], "big")
        payload = data[start + 2 : start + length]
        if marker == JPEG_END:
            yield marker, b""
            return
        # Markers below C0 are reserved: meeting one means that compressed data was overwritten.
        if marker < 0xC0 or length < 2 or len(payload) != length - 2:
            return
        yield marker, payload
        position = start + length


def tiff_tag(data: bytes, tag: int) -> int | None:
    """Read one integer of the first directory of a TIFF, BigTIFF or EXIF block.

    Returns:
        The tag's (first) value, or None where the tag is missing or the block is damaged.
    """
    order = "<" if data.startswith(b"II") else ">"
    try:
        (version,) = struct.unpack_from(f"{order}H", data, 2)
        if version == 43:  # BigTIFF
            (directory,) = struct.unpack_from(f"{order}Q", data, 8)
            (entries,) = struct.unpack_from(f"{order}Q", data, directory)
            first, step, value = directory + 8, 20, 12
        else:
            (directory,) = struct.unpack_from(f"{order}I", data, 4)
            (entries,) = struct.unpack_from(f"{order}H", data, directory)
            first, step, value = directory + 2, 12, 8
        for entry in range(first, first + entries * step, step):
            found, kind = struct.unpack_from(f"{order}HH", data, entry)
            if found == tag:
                layout = order + _TIFF_INTEGERS[kind]
                number: int = struct.unpack_from(layout, data, entry + value)[0]
                return number
    except (struct.error, KeyError, OverflowError):  # OverflowError: a 64-bit offset
        pass
    return None


def _jpeg_size(data: bytes) -> tuple[int, int]:
    for marker, payload in jpeg_segments(data):
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", payload, 1)
            return width, height
        if marker == JPEG_START_OF_SCAN:
            break
    return 0, 0


def _png_size(data: bytes) -> tuple[int, int]:
    kind, width, height = struct.unpack_from(">4sII", data, 12)
    return (width, height) if kind == b"IHDR" else (0, 0)


def _bmp_size(data: bytes) -> tuple[int, int]:
    (header_size,) = struct.unpack_from("<I", data, 14)
    if header_size == 12:  # OS/2
        width, height = struct.unpack_from("<HH", data, 18)
        return width, height
    width, height = struct.unpack_from("<ii", data, 18)
    # A negative height says that the rows run from the top.
    return (width, abs(height)) if 40 <= header_size <= 124 else (0, 0)


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8 ":
        start_code, width, height = struct.unpack_from("<3sHH", data, 23)
        # The two top bits of each are a display scale.
        return (width & 0x3FFF, height & 0x3FFF) if start_code == b"\x9d\x01\x2a" else (0, 0)
    if kind == b"VP8L":
        signature, bits = struct.unpack_from("<BI", data, 20)
        return ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1) if signature == 0x2F else (0, 0)
    if kind == b"VP8X":
        width_low, width_high, height_low, height_high = struct.unpack_from("<HBHB", data, 24)
        return (width_high << 16 | width_low) + 1, (height_high << 16 | height_low) + 1
    return 0, 0


def _tiff_size(data: bytes) -> tuple[int, int]:
    return tiff_tag(data, _TIFF_WIDTH) or 0, tiff_tag(data, _TIFF_HEIGHT) or 0
