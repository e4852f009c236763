"""Random views of a training image: one warp, one colour change, sometimes blur or worse.

OpenCV does the work on uint8 so that two cores keep up with the network; every draw comes from
the generator passed in, so a batch depends on seed, epoch and step alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from .degrade import add_noise, blur, cut_out, equalise

__all__ = ["Augmentation", "augment", "flips"]

# Displacements are drawn on so many nodes a side and interpolated in between.
NODES = 5


@dataclass(frozen=True)
class Augmentation:
    """How far views may differ; every range is symmetric around "unchanged".

    From `flips_only` on, zero (or False) is off and draws nothing.

    Attributes:
        min_area: smallest share of the image area a view shows, 0 to 1.
        aspect: largest log aspect-ratio change; camera frames are square, datasets 4:3.
        rotation: largest turn in degrees, after a random multiple of 90.
        brightness: largest shift as a share of full scale.
        contrast: largest relative change.
        channel_gain: largest relative change of one colour channel (white balance).
        saturation: largest relative change.
        blur_probability: share of views blurred or degraded, so that sharpness says nothing.
        flips_only: no turns by multiples of 90; `rotation` stays, and so do both flips.
        distortion: largest displacement of a node of an elastic 5 x 5 grid, as a share of the
            view's side; up to 0.05 nothing folds over.
        hue: largest turn of colours around the grey axis, in degrees.
        clahe_probability: share of views with locally equalised lightness.
        noise: largest standard deviation of Gaussian noise, as a share of full scale.
        cutout_holes: grey squares in every view.
        cutout_size: their side, as a share of the view's.
    """

    min_area: float = 0.6
    aspect: float = 0.2
    rotation: float = 20.0
    brightness: float = 0.08
    contrast: float = 0.2
    channel_gain: float = 0.06
    saturation: float = 0.25
    blur_probability: float = 0.25
    flips_only: bool = False
    distortion: float = 0.0
    hue: float = 0.0
    clahe_probability: float = 0.0
    noise: float = 0.0
    cutout_holes: int = 0
    cutout_size: float = 0.0


def _area_reduced(rgb: np.ndarray, size: int) -> np.ndarray:
    """Average large images down first: the warp samples four pixels and would alias them."""
    shrink = min(rgb.shape[:2]) / size
    if shrink < 2:
        return rgb
    height, width = (round(side * 1.5 / shrink) for side in rgb.shape[:2])
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)


def _displaced(size: int, largest: float, rng: np.random.Generator) -> np.ndarray:
    """Where each pixel of a view is taken from, as (x, y) in the view: float `[size, size, 2]`."""
    nodes = rng.uniform(-largest, largest, (NODES, NODES, 2)) * size
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1)
    return grid + cv2.resize(nodes, (size, size), interpolation=cv2.INTER_CUBIC)


def _warp(rgb: np.ndarray, size: int, a: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Crop, turn, flip and resize in one interpolation, in the image's own geometry."""
    rgb = _area_reduced(rgb, size)
    height, width = rgb.shape[:2]
    scale = np.sqrt(rng.uniform(a.min_area, 1.0))
    stretch = np.exp(rng.uniform(-a.aspect, a.aspect) / 2)
    extent = np.array([width * scale * stretch, height * scale / stretch])
    quarter = 0 if a.flips_only else rng.integers(4)
    angle = np.deg2rad(90 * quarter + rng.uniform(-a.rotation, a.rotation))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    flip = rng.choice((-1.0, 1.0), 2)
    slack = np.maximum(0.0, np.array([width, height]) - extent) / 2
    centre = np.array([width, height]) / 2 + rng.uniform(-1, 1, 2) * slack
    # Output pixel centres -> source pixel centres.
    linear = turn @ np.diag(extent * flip / size)
    offset = centre - linear @ np.full(2, (size - 1) / 2) - 0.5
    if a.distortion:
        source = (_displaced(size, a.distortion, rng) @ linear.T + offset).astype(np.float32)
        return cv2.remap(rgb, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    matrix = np.column_stack([linear, offset])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(rgb, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT_101)


def _hue_turn(degrees: float) -> np.ndarray:
    """The 3x3 rotation of RGB colours around the grey axis."""
    return cv2.Rodrigues(np.full(3, np.deg2rad(degrees) / np.sqrt(3)))[0]


def _recolour(rgb: np.ndarray, a: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Hue, saturation, channel gains, contrast and brightness as one 3x4 matrix on colours."""
    grey = np.full((3, 3), 1 / 3)
    saturation = 1 + rng.uniform(-a.saturation, a.saturation)
    mix = saturation * np.eye(3) + (1 - saturation) * grey
    gain = 1 + rng.uniform(-a.channel_gain, a.channel_gain, (3, 1))
    contrast = 1 + rng.uniform(-a.contrast, a.contrast)
    pivot = rgb.mean(axis=(0, 1), dtype=np.float32)
    linear = contrast * gain * mix
    shift = 255 * rng.uniform(-a.brightness, a.brightness) + gain[:, 0] * pivot - linear @ pivot
    if a.hue:  # around grey, not around the mean colour as the rest, which would keep its hue
        turn = _hue_turn(rng.uniform(-a.hue, a.hue))
        linear, shift = turn @ linear, turn @ shift
    return cv2.transform(rgb, np.column_stack([linear, shift]))


def augment(
    rgb: np.ndarray, size: int, options: Augmentation, rng: np.random.Generator
) -> np.ndarray:
    """A random view: RGB uint8 `[H, W, 3]` -> uint8 `[size, size, 3]`."""
    view = _warp(rgb, size, options, rng)
    if options.clahe_probability and rng.random() < options.clahe_probability:
        view = equalise(view, rng)
    if rng.random() < options.blur_probability:
        view = blur(view, rng)
    view = _recolour(view, options, rng)
    if options.noise:
        view = add_noise(view, options.noise, rng)
    if options.cutout_holes:
        view = cut_out(view, options.cutout_holes, options.cutout_size, rng)
    return view


def flips(pixels: np.ndarray) -> Iterator[np.ndarray]:
    """The eight flips and turns of square images, for averaging a network's answers over them.

    Args:
        pixels: `[n, size, size, channels]`, any type.

    Yields:
        Arrays of the same shape that share the memory of `pixels`: as they are, then turned by
        90, 180 and 270 degrees counter-clockwise, then the same four of the left-right mirror
        image.
    """
    for side in (pixels, pixels[:, :, ::-1]):
        for quarter in range(4):
            yield np.rot90(side, quarter, axes=(1, 2))
