"""Write what the Android demo's pixel tests expect: bytes that the Python edge library gives.

    python tools/golden_android_pixels.py           # after a change of a case
    python tools/golden_android_pixels.py --check   # exit 1 if the committed files differ

Everything starts from one drawn scene, made of integers alone, so that every machine writes the
same files. A case is a window on the scene, which repeats in both directions; the test lays the
window out in memory as a camera would, and must get the same bytes after every step.

    scene.bin     luma [240, 320], then Cb and Cr [120, 160], uint8
    cases.json    the cases, and of each step its sha256 and where its bytes begin, if they are kept
    expected.bin  the bytes of the steps that are kept
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from skinedge.image import centre_square, read, to_input

Pixels = npt.NDArray[np.uint8]

OUT = Path(__file__).parent.parent / "android_demo/core/src/test/resources/pixels"
WIDTH, HEIGHT = 320, 240
KEPT_STEP = 4096  # bytes; of a larger step before the last only the hash is kept
TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
SKIN, PIGMENT, HAIR = (222, 172, 150), (112, 66, 48), (70, 48, 40)
BLOTCHES = ((150, 120, 52), (185, 105, 34), (120, 150, 30), (165, 155, 26), (110, 95, 18))


@dataclass(frozen=True)
class FrameCase:
    """A camera frame: `[height, width]` from `(y, x)` of the scene, to be turned clockwise."""

    name: str
    x: int  # even, as y is: a chroma sample then serves the same pixels as in the scene
    y: int
    width: int
    height: int
    rotation: int
    layout: str  # planar, nv12, nv21 or spaced (three bytes from one chroma sample to the next)
    y_row_stride: int
    uv_row_stride: int
    input_width: int
    input_height: int
    keep: bool = True  # the input's bytes; else its hash alone


@dataclass(frozen=True)
class PhotoCase:
    """A photo whose channels are the scene's luma, each from a place of its own."""

    name: str
    width: int
    height: int
    opaque: bool
    input_width: int
    input_height: int
    keep: bool = True


FRAMES = (
    *(
        FrameCase(f"camera, {turn}", 40, 20, 1280, 720, turn, layout, stride, stride, 192, 192)
        for turn, layout, stride in (
            (0, "nv21", 1280),
            (90, "nv12", 1344),
            (180, "planar", 1288),
            (270, "nv21", 1281),
        )
    ),
    FrameCase("640 x 480", 0, 0, 640, 480, 90, "planar", 640, 320, 192, 192, keep=False),
    FrameCase("full HD", 0, 0, 1920, 1080, 270, "nv12", 1920, 1920, 192, 192, keep=False),
    FrameCase("four to one", 30, 20, 1024, 768, 90, "nv21", 1024, 1024, 192, 192, keep=False),
    *(
        FrameCase(f"odd, {turn}", 88, 60, 101, 77, turn, layout, 107, uv, 48, 48)
        for turn, layout, uv in (
            (0, "planar", 53),
            (90, "nv12", 103),
            (180, "nv21", 102),
            (270, "spaced", 151),
        )
    ),
    *(
        FrameCase(f"below the input, {turn}", 100, 80, 33, 29, turn, layout, 33, 34, 48, 48)
        for turn, layout in ((0, "planar"), (90, "nv21"), (180, "planar"), (270, "nv12"))
    ),
    *(
        FrameCase(f"colour chart, {turn}", 2, 2, 61, 60, turn, "planar", 64, 31, 47, 47)
        for turn in (0, 90, 180, 270)
    ),
    FrameCase("two to one", 110, 70, 130, 96, 0, "nv21", 130, 130, 48, 48),
    FrameCase("two to one, turned", 110, 70, 130, 96, 270, "nv21", 131, 130, 48, 48),
    FrameCase("three to one", 100, 60, 144, 151, 90, "nv12", 144, 144, 48, 48),
    FrameCase("49 to one", 120, 90, 49, 49, 90, "planar", 49, 25, 1, 1),
    FrameCase("the input's size", 120, 90, 64, 48, 180, "planar", 80, 40, 48, 48),
    FrameCase("wide input", 80, 60, 200, 150, 90, "planar", 200, 100, 64, 40),
    FrameCase("tall input", 80, 60, 200, 150, 180, "nv21", 208, 208, 30, 75),
    FrameCase("grows across alone", 110, 70, 64, 60, 270, "nv12", 64, 64, 80, 40),
    FrameCase("one pixel", 150, 120, 1, 1, 90, "planar", 1, 1, 48, 48),
    FrameCase("two by one", 150, 120, 2, 1, 180, "nv21", 2, 2, 1, 1),
    FrameCase("one by three", 150, 120, 1, 3, 270, "nv12", 4, 4, 2, 2),
    FrameCase("very wide", 0, 100, 501, 7, 0, "nv21", 512, 512, 5, 5),
    FrameCase("very tall", 150, 0, 9, 301, 90, "spaced", 9, 13, 4, 4),
)

PHOTOS = (
    PhotoCase("clinic", 600, 450, True, 192, 192, keep=False),
    PhotoCase("transparent", 301, 203, False, 48, 48),
    PhotoCase("transparent, the input's size", 48, 48, False, 48, 48),
    PhotoCase("two to one", 96, 96, False, 48, 48),
    PhotoCase("boxes of 3 x 2", 144, 96, True, 48, 48),
    PhotoCase("same width", 48, 100, True, 48, 48),
    PhotoCase("below the input", 31, 20, False, 48, 48),
    PhotoCase("grows down alone", 120, 20, True, 48, 48),
    PhotoCase("very wide", 701, 3, False, 48, 2),
    PhotoCase("one pixel", 1, 1, False, 3, 2),
    PhotoCase("98 to one, which OpenCV takes for a fraction", 196, 1, True, 2, 1),
    PhotoCase("one column too many", 1001, 1, True, 1000, 1),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare; write nothing")
    check = parser.parse_args().check
    files = golden_files()
    for name, content in files.items():
        path = OUT / name
        if check:
            if not path.is_file() or path.read_bytes() != content:
                sys.exit(f"{path.name}: differs from what the library gives; run without --check")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    print(f"{sum(map(len, files.values())):,} bytes in {len(files)} files")


def golden_files() -> dict[str, bytes]:
    """Each file's name and content."""
    scene = draw_scene()
    kept = Kept()
    frames = [_entry(case, kept, frame_steps(case, scene)) for case in FRAMES]
    photos = [_entry(case, kept, photo_steps(case, scene[0])) for case in PHOTOS]
    lines = [f'"every_chroma": "{_sha256(every_chroma())}"']
    for key, entries in (("frames", frames), ("photos", photos)):
        rows = ",\n".join(json.dumps(entry) for entry in entries)
        lines.append(f'"{key}": [\n{rows}\n]')
    return {
        "scene.bin": b"".join(plane.tobytes() for plane in scene),
        "cases.json": ("{\n" + ",\n".join(lines) + "\n}\n").encode(),
        "expected.bin": bytes(kept.content),
    }


class Kept:
    """The bytes of expected.bin; equal ones are kept once."""

    def __init__(self) -> None:
        self.content = bytearray()
        self._places: dict[bytes, int] = {}

    def place(self, pixels: bytes) -> int:
        if pixels not in self._places:
            self._places[pixels] = len(self.content)
            self.content += pixels
        return self._places[pixels]


def _entry(case: FrameCase | PhotoCase, kept: Kept, steps: dict[str, Pixels]) -> dict[str, Any]:
    entry = asdict(case)
    del entry["keep"]
    for step, pixels in steps.items():
        entry[step] = {"sha256": _sha256(pixels)}
        if (step == "input" and case.keep) or pixels.size <= KEPT_STEP:
            entry[step]["at"] = kept.place(pixels.tobytes())
    return entry


def frame_steps(case: FrameCase, scene: tuple[Pixels, Pixels, Pixels]) -> dict[str, Pixels]:
    """RGB uint8 after each step, each `[height, width, 3]` of its own."""
    luma, cb, cr = scene
    size = (case.height, case.width)
    half = ((case.height + 1) // 2, (case.width + 1) // 2)
    y, x = case.y // 2, case.x // 2
    rgb = to_rgb(window(luma, case.y, case.x, size), window(cb, y, x, half), window(cr, y, x, half))
    upright = cv2.rotate(rgb, TURNS[case.rotation]) if case.rotation else rgb
    square = centre_square(np.asarray(upright, np.uint8))
    return {
        "rgb": rgb,
        "square": square,
        "input": to_input(square, case.input_height, case.input_width),
    }


def photo_steps(case: PhotoCase, luma: Pixels) -> dict[str, Pixels]:
    """The input that the library makes of a PNG with these pixels."""
    size = (case.height, case.width)
    bgra = [window(luma, y, x, size) for y, x in ((60, 130), (100, 110), (80, 90), (30, 0))]
    if case.opaque:
        bgra[3] = np.full(size, 255, np.uint8)
    _, png = cv2.imencode(".png", np.dstack(bgra))
    return {"input": to_input(read(png.tobytes()), case.input_height, case.input_width)}


def to_rgb(luma: Pixels, cb: Pixels, cr: Pixels) -> Pixels:
    """Full-range YUV 4:2:0 to RGB; each chroma sample serves its 2 x 2 pixels."""
    height, width = luma.shape
    cb, cr = (np.kron(c, np.ones((2, 2), np.uint8))[:height, :width] for c in (cb, cr))
    rgb = cv2.cvtColor(np.dstack((luma, cr, cb)), cv2.COLOR_YCrCb2RGB)
    return rgb.astype(np.uint8, copy=False)


def every_chroma() -> Pixels:
    """All 65,536 pairs of Cb and Cr, each under four brightnesses: RGB `[512, 512, 3]`."""
    y, x = np.mgrid[:512, :512]
    cr, cb = np.mgrid[:256, :256].astype(np.uint8)
    return to_rgb(((x * 7) ^ (y * 13)).astype(np.uint8), cb, cr)


def window(plane: Pixels, top: int, left: int, size: tuple[int, int]) -> Pixels:
    """A part of a plane that repeats in both directions: `[*size]`."""
    rows = (top + np.arange(size[0])) % plane.shape[0]
    columns = (left + np.arange(size[1])) % plane.shape[1]
    return plane[np.ix_(rows, columns)]


def draw_scene() -> tuple[Pixels, Pixels, Pixels]:
    """A lesion under hairs, with a colour chart in a corner: luma, Cb, Cr as in scene.bin."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    noise = _noise(x, y)
    inside = np.zeros(x.shape, bool)
    for centre_x, centre_y, radius in BLOTCHES:
        inside |= (x - centre_x) ** 2 + (y - centre_y) ** 2 < radius**2
    hair = (abs(3 * x - 2 * y - 180) < 4) | (abs(x + 4 * y - 640) < 5) | (abs(x * y - 21000) < 160)

    rgb = np.where(inside[..., None], PIGMENT, SKIN)
    rgb = rgb + np.where(inside, (x * x + y * y) // 32 % 25 - 12, x // 12 - y // 10)[..., None]
    rgb = np.where(hair[..., None], HAIR, rgb) + (noise % 11 - 5)[..., None]
    ycc = cv2.cvtColor(np.clip(rgb, 0, 255).astype(np.uint8), cv2.COLOR_RGB2YCrCb).astype(int)
    luma, cr, cb = ycc[..., 0], *(_halved(ycc[..., c]) for c in (1, 2))

    # Colours that no RGB has, so that every cut to 0..255 is taken; and the hardest edges.
    luma[:64, :64] = noise[:64, :64] % 256
    cr[:32, :32], cb[:32, :32] = np.mgrid[:32, :32] * 255 // 31
    luma[200:, 280:] = 255 * ((x + y) % 2)[200:, 280:]
    return luma.astype(np.uint8), cb.astype(np.uint8), cr.astype(np.uint8)


def _halved(plane: npt.NDArray[np.int_]) -> npt.NDArray[np.int_]:
    blocks = plane.reshape(plane.shape[0] // 2, 2, plane.shape[1] // 2, 2)
    return (blocks.sum(axis=(1, 3)) + 2) // 4


def _noise(x: npt.NDArray[np.int_], y: npt.NDArray[np.int_]) -> npt.NDArray[np.int_]:
    """An integer hash of a place, 0 to 2**15 - 1: the same from every library and processor."""
    mixed = (x * 374761393 + y * 668265263) % 2**32
    return (mixed ^ (mixed >> 13)) * 1274126177 % 2**32 >> 17


def _sha256(pixels: Pixels) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()


if __name__ == "__main__":
    main()
