"""skinedge.image, image_header and image_folder, on real files of every format and every damage."""

from __future__ import annotations

import base64
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from skinedge.errors import ImageError
from skinedge.image import MAX_PIXELS, centre_square, read, to_input
from skinedge.image_folder import images_below
from skinedge.image_header import ImageHeader, read_header

RED, GREEN, BLUE, YELLOW = (200, 30, 40), (20, 180, 60), (30, 50, 220), (240, 230, 10)

# Four colours and unequal sides, so that no flip or turn looks like another.
PICTURE = np.zeros((16, 32, 3), np.uint8)
PICTURE[:8, :16], PICTURE[:8, 16:], PICTURE[8:, :16], PICTURE[8:, 16:] = RED, GREEN, BLUE, YELLOW

# Colours of the top left, top right, bottom left and bottom right of PICTURE once upright, from
# the EXIF standard's wording ("row 0 is the visual right, column 0 the visual top", ...).
UPRIGHT = {
    1: (RED, GREEN, BLUE, YELLOW),
    2: (GREEN, RED, YELLOW, BLUE),
    3: (YELLOW, BLUE, GREEN, RED),
    4: (BLUE, YELLOW, RED, GREEN),
    5: (RED, BLUE, GREEN, YELLOW),
    6: (BLUE, RED, YELLOW, GREEN),
    7: (YELLOW, GREEN, BLUE, RED),
    8: (GREEN, YELLOW, RED, BLUE),
}

# 16 x 16 of the same four colours: Pillow's JPEG of a CMYK image, inverted as Adobe does.
CMYK_JPEG = base64.b64decode(
    "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4SEA0OEQ4LCx"
    "AWEBETFBUVFQwPFxgWFBgSFBUU/8AAFAgAEAAQBEMRAE0RAFkRAEsRAP/EABkAAQADAQEAAAAAAAAAAAAAAAkACAoF"
    "Bv/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAOBEMATQBZAEsAAD8AuAPpRQqYHzIPbI7YpDVI0YHgZz0f/9k="
)


def encode(suffix: str, rgb: np.ndarray, *options: int) -> bytes:
    """The bytes of grey, RGB or RGBA pixels in OpenCV's writer."""
    order = {2: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    code = order[rgb.shape[2] if rgb.ndim == 3 else 2]
    pixels = rgb if code is None else cv2.cvtColor(rgb, code)
    return cv2.imencode(suffix, pixels, options)[1].tobytes()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with(kind: bytes, body: bytes, png: bytes) -> bytes:
    return png[:33] + png_chunk(kind, body) + png[33:]


def webp_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def webp_with(flag: int, chunk: bytes, webp: bytes) -> bytes:
    """A plain WebP in the extended layout, with one more chunk."""
    height, width = PICTURE.shape[:2]
    canvas = struct.pack("<IHBHB", flag, width - 1, 0, height - 1, 0)
    body = b"WEBP" + webp_chunk(b"VP8X", canvas) + webp[12:] + chunk
    return b"RIFF" + struct.pack("<I", len(body)) + body


def exif(orientation: int, order: str = "<") -> bytes:
    entry = struct.pack(order + "HHIHH", 274, 3, 1, orientation, 0)
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "IH", 8, 1) + entry + bytes(4)


def jpeg_with_exif(block: bytes, jpeg: bytes) -> bytes:
    return (
        jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 8) + b"Exif\0\0" + block + jpeg[2:]
    )


def tiff(pixels: np.ndarray, order: str = "<", orientation: int = 1, alpha: int = 0) -> bytes:
    """An uncompressed TIFF with its directory ahead of the pixels."""
    height, width, channels = pixels.shape
    start = 200
    tags = [(256, 3, width), (257, 4, height), (258, 3, 8 * pixels.itemsize), (259, 3, 1)]
    tags += [(262, 3, 2), (273, 4, start), (274, 3, orientation), (277, 3, channels)]
    tags += [(278, 4, height), (279, 4, pixels.nbytes), *([(338, 3, alpha)] if alpha else [])]
    entries = [
        struct.pack(order + "HHI", tag, kind, 1)
        + struct.pack(order + ("HH" if kind == 3 else "I"), *([value, 0] if kind == 3 else [value]))
        for tag, kind, value in tags
    ]
    magic = b"II*\0" if order == "<" else b"MM\0*"
    head = magic + struct.pack(order + "IH", 8, len(tags)) + b"".join(entries) + bytes(4)
    return head.ljust(start, b"\0") + pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()


def bmp(rgb: np.ndarray, *, os2: bool = False, from_top: bool = False) -> bytes:
    height, width = rgb.shape[:2]
    rows = (rgb if from_top else rgb[::-1])[..., ::-1].tobytes()
    if os2:
        header = struct.pack("<IHHHH", 12, width, height, 1, 24)
    else:
        signed = -height if from_top else height
        header = struct.pack("<IiiHHIIiiII", 40, width, signed, 1, 24, 0, len(rows), 0, 0, 0, 0)
    start = 14 + len(header)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + rows


WEBP = encode(".webp", PICTURE, cv2.IMWRITE_WEBP_QUALITY, 101)
JPEG = encode(".jpg", PICTURE, cv2.IMWRITE_JPEG_QUALITY, 95)
PROGRESSIVE = encode(".jpg", PICTURE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
RESTARTS = encode(".jpg", PICTURE, cv2.IMWRITE_JPEG_RST_INTERVAL, 1)
PNG = encode(".png", PICTURE)
BIG_TIFF_HEADER = b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 2) + struct.pack(
    "<HHQQHHQQ", 256, 16, 1, 640, 257, 4, 1, 480
)  # fmt: skip


def quadrants(rgb: np.ndarray) -> list[list[int]]:
    """The colours in the middle of the four quarters."""
    height, width = rgb.shape[:2]
    rows, columns = (height // 4, height * 3 // 4), (width // 4, width * 3 // 4)
    return [rgb[row, column].tolist() for row in rows for column in columns]


# --- what a good file becomes ---------------------------------------------------------------------

LOSSLESS = {
    "png": PNG,
    "png-16-bit": encode(".png", PICTURE.astype(np.uint16) * 257),
    "png-trailing-bytes": PNG + b"more",
    "bmp": bmp(PICTURE),
    "bmp-os2": bmp(PICTURE, os2=True),
    "bmp-from-top": bmp(PICTURE, from_top=True),
    "bmp-rgba": encode(".bmp", np.dstack([PICTURE, PICTURE[..., 0] * 0])),
    "webp": WEBP,
    "tiff": tiff(PICTURE),
    "tiff-big-endian": tiff(PICTURE, ">"),
    "tiff-16-bit": tiff(PICTURE.astype(np.uint16) * 257, ">"),
    "tiff-lzw": encode(".tif", PICTURE),
}


@pytest.mark.parametrize("data", LOSSLESS.values(), ids=LOSSLESS)
def test_lossless_pixels_are_exact(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "image.dat"  # the content decides, not the extension
    path.write_bytes(data)
    for source in (data, path, str(path)):
        rgb = read(source)
        assert rgb.dtype == np.uint8
        assert rgb.flags.c_contiguous
        np.testing.assert_array_equal(rgb, PICTURE)


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, RESTARTS, JPEG + bytes(99), CMYK_JPEG])
def test_jpeg_pixels_are_close(data: bytes) -> None:
    np.testing.assert_allclose(quadrants(read(data)), UPRIGHT[1], atol=6)


@pytest.mark.parametrize(
    ("least_side", "height"), [(20, 20), (21, 40), (41, 80), (81, 160), (161, 160), (None, 160)]
)
def test_a_large_jpeg_comes_reduced(least_side: int | None, height: int) -> None:
    large = cv2.resize(PICTURE, (240, 160), interpolation=cv2.INTER_CUBIC)
    rgb = read(encode(".jpg", large, cv2.IMWRITE_JPEG_QUALITY, 95), least_side=least_side)
    assert rgb.shape == (height, height * 3 // 2, 3)
    averaged = cv2.resize(large, rgb.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(rgb.astype(int) - averaged).mean() < 2


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_reduced_jpeg_is_upright_and_in_colour(orientation: int) -> None:
    rgb = read(jpeg_with_exif(exif(orientation), JPEG), least_side=4)
    assert rgb.shape == ((4, 8, 3) if orientation < 5 else (8, 4, 3))
    np.testing.assert_allclose(quadrants(rgb), UPRIGHT[orientation], atol=12)


def test_only_a_jpeg_comes_reduced() -> None:
    for data in (PNG, WEBP, bmp(PICTURE), tiff(PICTURE)):
        np.testing.assert_array_equal(read(data, least_side=1), PICTURE)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_grey_becomes_three_equal_channels(suffix: str) -> None:
    grey = np.repeat(np.arange(0, 256, 16, np.uint8)[:, None], 16, axis=1)
    rgb = read(encode(suffix, grey))
    np.testing.assert_allclose(rgb, np.dstack([grey] * 3), atol=2)


def test_16_bits_are_rounded_to_8() -> None:
    deep = np.array([[0, 128, 129, 32767, 65406, 65535]], np.uint16)
    assert read(encode(".png", deep))[0, :, 1].tolist() == [0, 0, 1, 127, 254, 255]


def test_palette_png_with_transparency() -> None:
    height, width = 2, 3
    lines = b"".join(b"\0" + bytes(row) for row in ([0, 1, 2], [2, 1, 0]))
    png = (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
        + png_chunk(b"PLTE", bytes((*RED, *GREEN, *BLUE)))
        + png_chunk(b"tRNS", b"\xff\x00")  # green is transparent, blue has no entry: opaque
        + png_chunk(b"IDAT", zlib.compress(lines))
        + png_chunk(b"IEND", b"")
    )
    white = (255, 255, 255)
    np.testing.assert_array_equal(read(png), [[RED, white, BLUE], [BLUE, white, RED]])


def test_transparency_lies_over_white() -> None:
    opacity = np.full((16, 32), 255, np.uint8)
    opacity[:, ::2], opacity[0] = 128, 0
    share = opacity[..., None] / 255
    expected = np.rint(PICTURE * share + 255 * (1 - share))
    straight = np.dstack([PICTURE, opacity])
    multiplied = np.dstack([np.rint(PICTURE * share).astype(np.uint8), opacity])
    deep = straight.astype(np.uint16) * 257
    webp = encode(".webp", straight, cv2.IMWRITE_WEBP_QUALITY, 101)
    exact = [encode(".png", straight), encode(".png", deep), tiff(deep, alpha=2), webp]
    for data in exact:
        np.testing.assert_array_equal(read(data), expected)
    for data in (tiff(straight, alpha=2), tiff(multiplied, alpha=1)):
        np.testing.assert_allclose(read(data), expected, atol=1)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation_is_applied(orientation: int) -> None:
    block = exif(orientation, ">")
    files = {
        "jpeg": jpeg_with_exif(exif(orientation), JPEG),
        "jpeg-big-endian": jpeg_with_exif(block, PROGRESSIVE),
        "png": png_with(b"eXIf", block, PNG),
        "webp": webp_with(8, webp_chunk(b"EXIF", block), WEBP),
        "webp-prefixed": webp_with(8, webp_chunk(b"EXIF", b"Exif\0\0" + block), WEBP),
        "tiff": tiff(PICTURE, orientation=orientation),
    }
    shape = (16, 32, 3) if orientation < 5 else (32, 16, 3)
    for kind, data in files.items():
        rgb = read(data)
        assert rgb.shape == shape, kind
        assert rgb.flags.c_contiguous
        np.testing.assert_allclose(quadrants(rgb), UPRIGHT[orientation], atol=6, err_msg=kind)


@pytest.mark.parametrize("block", [b"", b"II*\0", exif(0), exif(9), exif(6)[:-8]])
def test_broken_exif_is_ignored(block: bytes) -> None:
    np.testing.assert_array_equal(read(png_with(b"eXIf", block, PNG)), PICTURE)


def test_broken_metadata_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    profile = png_with(b"iCCP", b"x\0\0" + zlib.compress(b"no profile"), PNG)
    odd_tag = tiff(PICTURE).replace(struct.pack("<HH", 274, 3), struct.pack("<HH", 65000, 3))
    for data in (profile, odd_tag):
        np.testing.assert_array_equal(read(data), PICTURE)
    assert capfd.readouterr().err == ""


# --- what a bad file says -------------------------------------------------------------------------

OVERWRITTEN = JPEG[:-30] + b"\xff\x33" + JPEG[-28:]

BAD = {
    "empty": (b"", "empty"),
    "text": (b"not an image\n" * 9, "is not a JPEG"),
    "text-BM": (b"BMW, Audi and other words that fill a header", "BMP header"),
    "gif": (b"GIF89a" + bytes(50), "is not a JPEG"),
    "jpeg-half": (JPEG[: len(JPEG) // 2], "JPEG"),
    "jpeg-no-end": (JPEG[:-2], "no end"),
    "jpeg-zero-tail": (JPEG[:-9] + bytes(9), "no end"),
    "jpeg-overwritten": (OVERWRITTEN, "damaged"),
    "jpeg-header-only": (JPEG[:20], "JPEG header"),
    "jpeg-no-scan": (JPEG[: JPEG.index(b"\xff\xda")] + b"\xff\xd9", "no end"),
    "progressive-no-end": (PROGRESSIVE[:-9], "no end"),
    "jpeg-cut-after-thumbnail": (jpeg_with_exif(exif(1) + JPEG, JPEG[:-9]), "no end"),
    "png-half": (PNG[: len(PNG) // 2], "cut short"),
    "png-no-end": (PNG[:-12], "cut short"),
    "png-flipped-byte": (PNG[:50] + bytes([PNG[50] ^ 1]) + PNG[51:], "checksum"),
    "png-header-only": (PNG[:20], "PNG header"),
    "bmp-half": (bmp(PICTURE)[:800], "cannot be decoded"),
    "webp-half": (WEBP[: len(WEBP) // 2], "cannot be decoded"),
    "webp-animated": (webp_with(2, webp_chunk(b"ANIM", bytes(6)), WEBP), "animation"),
    "tiff-half": (tiff(PICTURE)[:900], "cannot be decoded"),
    "tiff-no-directory": (encode(".tif", PICTURE)[:100], "TIFF header"),
    "tiff-float": (encode(".tif", PICTURE.astype(np.float32)), "float32"),
}


@pytest.mark.parametrize(("data", "text"), BAD.values(), ids=BAD)
def test_bad_files_are_refused_in_one_line(
    data: bytes, text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lesion.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert text in message
    assert "\n" not in message
    assert ";" in message  # what to do comes after it
    assert capfd.readouterr().err == ""


BOMBS = {
    "jpeg": b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 8, 8, 50_000, 50_000, 0),
    "png": PNG[:16] + struct.pack(">II", 50_000, 50_000) + PNG[24:],
    "bmp": b"BM" + bytes(12) + struct.pack("<Iii", 40, 50_000, -50_000),
    "webp": b"RIFF\0\0\0\0WEBPVP8X" + struct.pack("<IIHBHB", 10, 0, 0xC34F, 0, 0xC34F, 0),
    "tiff": struct.pack("<4sIH", b"II*\0", 8, 2)
    + struct.pack("<HHIIHHII", 256, 4, 1, 50_000, 257, 4, 1, 50_000),
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused_before_decoding(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ImageError, match=f"50000 x 50000 pixels, more than the {MAX_PIXELS:,}"):
        read(data)


def test_paths_that_are_no_readable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError, match=r"gone\.jpg: does not exist"):
        read(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="does not exist"):
        read("a\0b.jpg")
    with pytest.raises(ImageError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(ImageError, match="not a regular file"):
        read("/dev/null")

    def deny(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "locked.jpg").write_bytes(JPEG)
    monkeypatch.setattr(Path, "read_bytes", deny)
    with pytest.raises(ImageError, match=r"locked\.jpg: cannot be read \(Permission denied\)"):
        read(tmp_path / "locked.jpg")


def test_the_name_in_messages() -> None:
    with pytest.raises(ImageError, match=r"^<bytes>: "):
        read(b"")
    with pytest.raises(ImageError, match=r"^<array>: "):
        read(np.zeros((2, 2), np.uint8))
    with pytest.raises(ImageError, match=r"^upload 7: "):
        read(b"", name="upload 7")


def _no_numpy_memory(*_: object) -> None:
    raise MemoryError


def _no_opencv_memory(*_: object) -> None:
    cv2.resize(PICTURE, (2**30, 2**15))  # 100 terabytes


@pytest.mark.parametrize("fail", [_no_numpy_memory, _no_opencv_memory])
@pytest.mark.parametrize("where", ["imdecode", "cvtColor"])
def test_what_does_not_fit_into_memory_is_one_line(
    where: str, fail: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, where, fail)
    with pytest.raises(ImageError, match=r"^photo: needs more memory than this machine has; make"):
        read(PNG, "photo")


# --- folders --------------------------------------------------------------------------------------


def test_images_below_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b/2.JPG", "b/1.png", "a.tif", "shut/3.png", "d.png/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "linked.png").symlink_to(tmp_path / "a.tif")
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "nowhere.txt").symlink_to(tmp_path / "gone.txt")
    listed = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    errors: list[ImageError] = []
    found = images_below(tmp_path, errors.append)
    expected = ["a.tif", "b/1.png", "b/2.JPG", "linked.png"]
    assert [path.relative_to(tmp_path).as_posix() for path in found] == expected
    assert images_below(tmp_path) == found
    lines = sorted(map(str, errors))
    assert [line.split(":")[0] for line in lines] == [
        str(tmp_path / name) for name in ("nowhere.png", "shut")
    ]
    assert "cannot be read (Permission denied); check" in lines[1]
    assert images_below(tmp_path / "gone") == []


# --- arrays, sizes and headers --------------------------------------------------------------------


def test_arrays_are_taken_as_rgb() -> None:
    assert read(PICTURE) is PICTURE
    turned = read(PICTURE[:, ::-1])
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(turned, PICTURE[:, ::-1])


@pytest.mark.parametrize(
    "shape", [(4, 4), (4, 4, 1), (4, 4, 4), (0, 4, 3), (4, 0, 3), (1, 4, 4, 3)]
)
def test_arrays_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match=r"\(height, width, 3\)"):
        read(np.zeros(shape, np.uint8))


def test_arrays_of_another_dtype_are_refused() -> None:
    with pytest.raises(ImageError, match="is float32"):
        read(np.zeros((4, 4, 3), np.float32))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("height", "width", "interpolation"),
    [
        (8, 8, cv2.INTER_AREA),
        (16, 20, cv2.INTER_AREA),
        (40, 40, cv2.INTER_LINEAR),
        (20, 20, cv2.INTER_LINEAR),
        (8, 33, cv2.INTER_LINEAR),
    ],
)
def test_to_input_resizes(height: int, width: int, interpolation: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, PICTURE.shape, np.uint8)
    expected = cv2.resize(noise, (width, height), interpolation=interpolation)
    np.testing.assert_array_equal(to_input(noise, height, width), expected)


def test_to_input_averages_areas() -> None:
    checks = np.indices((8, 8)).sum(0).astype(np.uint8)[..., None] % 2 * np.uint8(200)
    assert np.unique(to_input(np.repeat(checks, 3, axis=2), 4, 4)).tolist() == [100]


def test_to_input_leaves_a_fitting_image_alone() -> None:
    assert to_input(PICTURE, 16, 32) is PICTURE


@pytest.mark.parametrize("frame", [PICTURE, PICTURE.transpose(1, 0, 2)], ids=["wide", "tall"])
def test_centre_square(frame: np.ndarray) -> None:
    square = centre_square(frame)
    np.testing.assert_array_equal(square, frame[8:24] if frame.shape[0] == 32 else frame[:, 8:24])
    assert square.flags.c_contiguous


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (JPEG, "JPEG"),
        (PROGRESSIVE, "JPEG"),
        (PNG, "PNG"),
        (bmp(PICTURE, from_top=True), "BMP"),
        (bmp(PICTURE, os2=True), "BMP"),
        (WEBP, "WebP"),
        (encode(".webp", PICTURE, cv2.IMWRITE_WEBP_QUALITY, 80), "WebP"),
        (webp_with(0, b"", WEBP), "WebP"),
        (tiff(PICTURE, ">"), "TIFF"),
    ],
)
def test_header(data: bytes, kind: str) -> None:
    assert read_header(data) == ImageHeader(kind, 32, 16)


def test_header_of_a_bigtiff() -> None:
    assert read_header(BIG_TIFF_HEADER) == ImageHeader("TIFF", 640, 480)
    with pytest.raises(ImageError, match="TIFF header"):
        read_header(BIG_TIFF_HEADER[:8] + b"\xff" * 8)


@pytest.mark.parametrize("data", [JPEG, PNG, bmp(PICTURE), WEBP, tiff(PICTURE)])
def test_header_cut_anywhere_never_misreads(data: bytes) -> None:
    whole = read_header(data)
    for length in range(min(len(data), 700)):
        try:
            assert read_header(data[:length]) == whole
        except ImageError:
            continue
