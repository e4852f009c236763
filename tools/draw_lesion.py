"""Draw a made-up dermoscopic lesion, for the demo and the tests: no dataset image is needed.

    python tools/draw_lesion.py lesion.png --seed 3

The picture looks like skin with a pigmented spot and hairs. It is a drawing: what a model says
of it means nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

__all__ = ["disc", "draw"]

BROWN = (112, 66, 48)


def _texture(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Smooth noise with mean 0 and standard deviation 1; float32 `[H, W]`."""
    noise = cv2.GaussianBlur(rng.standard_normal(shape).astype(np.float32), (0, 0), scale)
    return (noise - noise.mean()) / noise.std()


def _spot(rng: np.random.Generator, shape: tuple[int, int], ragged: float) -> np.ndarray:
    """How much of each pixel belongs to the lesion: float32 `[H, W]`, 0 to 1."""
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    centre = np.array([width, height]) * rng.uniform(0.45, 0.55, 2)
    angle = np.arctan2(y - centre[1], x - centre[0])
    radius = min(shape) * rng.uniform(0.24, 0.32) * np.ones(shape, np.float32)
    for order in range(2, 7):
        wave = rng.uniform(0, ragged / order) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
        radius *= 1 + wave
    distance = np.hypot(x - centre[0], (y - centre[1]) * 1.15)
    edge = min(shape) * 0.03
    return (1 / (1 + np.exp((distance - radius) / edge))).astype(np.float32)


def draw(
    seed: int,
    height: int = 450,
    width: int = 600,
    colour: tuple[int, int, int] = BROWN,
    ragged: float = 0.4,
    hairs: int = 6,
) -> np.ndarray:
    """Draw one lesion: RGB uint8 `[height, width, 3]`; the same arguments, the same picture.

    Args:
        seed: of every random choice.
        height, width: in pixels.
        colour: of the lesion, RGB 0 to 255.
        ragged: how irregular the border is, 0 to 1.
        hairs: how many hairs cross the picture.
    """
    rng = np.random.default_rng(seed)
    shape = (height, width)
    skin = np.array([222, 172, 150], np.float32) + 5 * _texture(rng, shape, width / 12)[..., None]
    pigment = np.array(colour, np.float32) + 12 * _texture(rng, shape, width / 60)[..., None]
    spot = _spot(rng, shape, ragged)[..., None]
    picture = skin * (1 - spot) + pigment * spot + 2.5 * rng.standard_normal((*shape, 3))
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    for _ in range(hairs):
        start, bend, end = rng.uniform(-0.1, 1.1, (3, 2)) * (width, height)
        t = np.linspace(0, 1, 40)[:, None]
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end
        points = curve.round().astype(np.int32)
        cv2.polylines(picture, [points], False, (70, 48, 40), max(1, width // 300), cv2.LINE_AA)
    return picture


def disc(
    side: int, skin: tuple[int, int, int], spot: tuple[int, int, int], radius: int
) -> np.ndarray:
    """A spot on skin, its radius in 192nds of the side: RGB uint8 `[side, side, 3]`.

    In integers alone. Unlike `draw` it gives every machine the same pixels, whatever its
    libraries: golden vectors start from it.
    """
    y, x = np.mgrid[:side, :side]
    inside = (192 * x - 96 * side) ** 2 + (192 * y - 90 * side) ** 2 < (radius * side) ** 2
    pixels = np.where(inside[..., None], spot, skin)
    pixels = pixels + ((x * 7 + y * 13) % 11 - 5)[..., None]
    return np.clip(pixels, 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="a PNG or JPEG file")
    parser.add_argument("--seed", type=int, default=3)
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    picture = cv2.cvtColor(draw(arguments.seed), cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(arguments.out), picture):
        raise SystemExit(f"{arguments.out}: cannot write this picture")


if __name__ == "__main__":
    main()
