"""File, bytes or camera frame -> upright RGB uint8 -> the model's input.

The one geometry of SkinEdge: calibration, evaluation and the device all call `read` and
`to_input`, so a model meets the same pixels everywhere. Training reads the same way and then
varies what it read.

    >>> rgb = read(np.full((450, 600, 3), 128, np.uint8))
    >>> to_input(rgb, 224, 224).shape
    (224, 224, 3)
"""

from __future__ import annotations

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "centre_square",
    "out_of_memory",
    "read",
    "to_input",
]

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from skinedge.errors import ImageError
from skinedge.image_header import JPEG_END, JPEG_START_OF_SCAN, jpeg_segments, read_header, tiff_tag

MAX_PIXELS = 100_000_000
"""Largest image that is decoded. A few kilobytes can claim to be a picture of many gigabytes (a
decompression bomb); twice what the largest phone and dermatoscope cameras deliver is plenty."""

MAX_BYTES = 8 * MAX_PIXELS
"""The largest honest file of MAX_PIXELS: uncompressed RGBA of 16 bits."""

_REDUCED_JPEG = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}

_COPY_AGAIN = "copy or download it again"
_TIFF_ORIENTATION = 274
_TIFF_EXTRA_SAMPLES, _PREMULTIPLIED, _STRAIGHT = 338, 1, 2


def read(
    source: str | os.PathLike[str] | bytes | NDArray[np.uint8],
    name: str | None = None,
    least_side: int | None = None,
) -> NDArray[np.uint8]:
    """Read one image as upright RGB.

    JPEG, PNG, BMP, WebP and TIFF are known by their content, not by their extension. EXIF
    orientation is applied, transparency is laid over white, 16 bits become 8 and grey becomes
    three equal channels. Of a TIFF with several pages the first is read.

    Args:
        source: a path, an encoded image, or pixels: RGB uint8 [height, width, 3].
        name: what error messages call it; the path, "<bytes>" or "<array>" if not given.
        least_side: a larger JPEG may come at 1/2, 1/4 or 1/8 of its size, as long as no side has
            fewer pixels than this: faster, for training views, which shrink it anyway. Not
            given, every image comes whole.

    Returns:
        RGB uint8 [height, width, 3], contiguous, 0 to 255. A contiguous array is not copied.

    Raises:
        ImageError: missing, unreadable, empty, damaged, cut short, no known format, more than
            MAX_PIXELS or than there is memory for, or an array of another shape or dtype. One
            line that starts with the name.
    """
    try:
        if isinstance(source, np.ndarray):
            name = name or "<array>"
            return _checked_array(source)
        if isinstance(source, bytes):
            name = name or "<bytes>"
            return _decode(source, least_side)
        name = name or os.fspath(source)
        return _decode(_file_bytes(Path(source)), least_side)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from None
    except (MemoryError, cv2.error) as error:
        if not out_of_memory(error):
            raise
        raise ImageError(
            f"{name}: needs more memory than this machine has; make it smaller"
        ) from None


def out_of_memory(error: Exception) -> bool:
    """Whether an error, Python's or OpenCV's, says that memory is used up."""
    return isinstance(error, MemoryError) or getattr(error, "code", 0) == cv2.Error.StsNoMem


def to_input(rgb: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize the whole image to the model's input; the aspect ratio is not kept.

    Args:
        rgb: RGB uint8 [any height, any width, 3].
        height: rows of the model's input.
        width: columns of the model's input.

    Returns:
        RGB uint8 [height, width, 3]; `rgb` itself where the size already fits.
    """
    rows, columns = rgb.shape[:2]
    if (rows, columns) == (height, width):
        return rgb
    # Area averaging keeps fine texture free of aliasing, but is a nearest-neighbour when growing.
    shrinks = height <= rows and width <= columns
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return _uint8(cv2.resize(rgb, (width, height), interpolation=interpolation))


def centre_square(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut the largest centred square out of a camera frame, whose sides show only background.

    Args:
        rgb: uint8 [height, width, 3].

    Returns:
        uint8 [side, side, 3], contiguous, with side the shorter of height and width.
    """
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(rgb[top : top + side, left : left + side])


def _checked_array(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ImageError(
            f"is {pixels.dtype} of shape {pixels.shape}; pass RGB uint8 of shape (height, width, 3)"
        )
    return np.ascontiguousarray(pixels)


def _file_bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError("is a folder; name an image file in it")
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
            raise ImageError("is not a regular file; save the image to a file first")
        if status.st_size > MAX_BYTES:
            raise ImageError(f"is larger than {MAX_BYTES:,} bytes; check that it is an image")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the path
        raise ImageError("does not exist; check the path") from None
    except OSError as error:
        raise ImageError(f"cannot be read ({error.strerror}); check its permissions") from None


def _decode(data: bytes, least_side: int | None) -> NDArray[np.uint8]:
    if not data:
        raise ImageError(f"is empty; {_COPY_AGAIN}")
    header = read_header(data)
    if header.width * header.height > MAX_PIXELS:
        raise ImageError(
            f"is {header.width} x {header.height} pixels, more than the {MAX_PIXELS:,} allowed; "
            "make it smaller"
        )
    # OpenCV leaves EXIF alone under IMREAD_UNCHANGED, in every version; only a TIFF comes upright.
    flags, exif = cv2.IMREAD_UNCHANGED, b""
    if header.format == "JPEG":
        exif = _complete_jpeg_exif(data)
        if least_side:
            flags = _reduced(min(header.width, header.height) // least_side)
    elif header.format == "PNG":
        data, exif = _plain_png(data)
    elif header.format == "WebP":
        exif = _still_webp_exif(data)
    elif header.format == "BMP":
        # The fourth byte of a BMP pixel is padding more often than alpha; and OpenCV reads an
        # OS/2 bitmap as grey unless colour is asked for.
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION

    try:
        with _quiet_opencv():
            pixels: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        if out_of_memory(error):
            raise
        pixels = None
    if pixels is None:
        raise ImageError(
            f"cannot be decoded: damaged, cut short or a rare kind of {header.format}; "
            f"{_COPY_AGAIN}, or save it as a plain JPEG or PNG"
        )

    alpha = _STRAIGHT
    if header.format == "TIFF":
        alpha = tiff_tag(data, _TIFF_EXTRA_SAMPLES) or 0
        if pixels.dtype == np.uint8 and alpha == _STRAIGHT:
            alpha = _PREMULTIPLIED  # libtiff multiplies on the way, but only for 8 bits
    return _upright(_rgb(pixels, alpha), tiff_tag(exif, _TIFF_ORIENTATION) or 1)


def _reduced(factor: int) -> int:
    """The flags that decode a JPEG at 1/factor of its size, or the next larger that OpenCV has."""
    for least, flag in _REDUCED_JPEG.items():
        if factor >= least:
            return flag | cv2.IMREAD_IGNORE_ORIENTATION
    return cv2.IMREAD_UNCHANGED


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Keep OpenCV's log off stderr: it reports what `read` raises, and every unknown TIFF tag."""
    logging: Any = getattr(cv2.utils, "logging", cv2)  # cv2 itself before OpenCV 5
    level = logging.getLogLevel()
    logging.setLogLevel(0)
    try:
        yield
    finally:
        logging.setLogLevel(level)


def _complete_jpeg_exif(data: bytes) -> bytes:
    """Return a JPEG's EXIF block, b"" if none; refuse a file without its end.

    OpenCV 4 decodes such a file anyway and paints the missing part grey.
    """
    segments = list(jpeg_segments(data))
    if segments[-1][0] != JPEG_END or not any(m == JPEG_START_OF_SCAN for m, _ in segments):
        raise ImageError(f"is cut short or damaged: the JPEG has no end; {_COPY_AGAIN}")
    prefix = b"Exif\0\0"
    blocks = (p for m, p in segments if m == 0xE1 and p.startswith(prefix))
    return next(blocks, b"").removeprefix(prefix)


def _plain_png(data: bytes) -> tuple[bytes, bytes]:
    """Return a PNG without metadata, and its EXIF block, b"" if none; refuse a damaged file.

    Without metadata libpng has no colour profile to complain about on stderr, and OpenCV 5 no
    animation to treat differently from OpenCV 4.
    """
    kept, exif, start, kind = [data[:8]], b"", 8, b""
    while kind != b"IEND":
        (length,) = struct.unpack(">I", data[start : start + 4].rjust(4, b"\xff"))
        end = start + 12 + length
        if end > len(data):
            raise ImageError(f"is cut short: the PNG has no end; {_COPY_AGAIN}")
        body = data[start + 4 : end - 4]
        if zlib.crc32(body).to_bytes(4, "big") != data[end - 4 : end]:
            raise ImageError(f"is damaged: a PNG checksum is wrong; {_COPY_AGAIN}")
        kind = body[:4]
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            kept.append(data[start:end])
        elif kind == b"eXIf":
            exif = body[4:]
        start = end
    return b"".join(kept), exif


def _still_webp_exif(data: bytes) -> bytes:
    """Return a WebP's EXIF block, b"" if none; refuse an animation, which only OpenCV 5 reads."""
    start = 12
    while start + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, start)
        if kind == b"ANIM":
            raise ImageError("is an animation; save one frame of it as an image")
        if kind == b"EXIF":
            return data[start + 8 : start + 8 + length].removeprefix(b"Exif\0\0")
        start += 8 + length + length % 2
    return b""


def _rgb(pixels: NDArray[Any], alpha: int) -> NDArray[np.uint8]:
    """Turn what OpenCV decoded (grey, BGR or BGRA) into RGB uint8.

    `alpha` says what a fourth channel is: _STRAIGHT, _PREMULTIPLIED, or 0 for nothing to do with
    opacity.
    """
    if pixels.dtype == np.uint16:
        pixels = cv2.convertScaleAbs(pixels, alpha=1 / 257)
    if pixels.dtype != np.uint8:
        raise ImageError(f"has {pixels.dtype} pixels; save it with 8 or 16 bits per channel")
    if pixels.ndim == 2:
        return _uint8(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB))
    if pixels.shape[2] == 3:
        return _uint8(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
    rgb = _uint8(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB))
    opacity = pixels[..., 3:].astype(np.uint16)
    if alpha == _PREMULTIPLIED:
        return _uint8(np.minimum(rgb + (255 - opacity), 255))
    if alpha == _STRAIGHT:
        return _uint8((rgb * opacity + 255 * (255 - opacity) + 127) // 255)
    return rgb


def _upright(rgb: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation (1 to 8); other values mean nothing and are ignored."""
    if orientation in (5, 6, 7, 8):
        rgb = rgb.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        rgb = rgb[:, ::-1]
    if orientation in (3, 4, 7, 8):
        rgb = rgb[::-1]
    return np.ascontiguousarray(rgb)


def _uint8(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    return pixels.astype(np.uint8, copy=False)
