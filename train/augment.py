"""Random views of a training image: one affine warp, one colour change, sometimes blur.

OpenCV does the work on uint8 so that two cores keep up with the network; every draw comes from
the generator passed in, so a batch depends on seed, epoch and step alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

__all__ = ["Augmentation", "augment"]


@dataclass(frozen=True)
class Augmentation:
    """How far views may differ; every range is symmetric around "unchanged".

    Attributes:
        min_area: smallest share of the image area a view shows, 0 to 1.
        aspect: largest log aspect-ratio change; camera frames are square, datasets 4:3.
        rotation: largest turn in degrees, after a random multiple of 90.
        brightness: largest shift as a share of full scale.
        contrast: largest relative change.
        channel_gain: largest relative change of one colour channel (white balance).
        saturation: largest relative change.
        blur_probability: share of views blurred or degraded, so that sharpness says nothing.
    """

    min_area: float = 0.6
    aspect: float = 0.2
    rotation: float = 20.0
    brightness: float = 0.08
    contrast: float = 0.2
    channel_gain: float = 0.06
    saturation: float = 0.25
    blur_probability: float = 0.25


def _area_reduced(rgb: np.ndarray, size: int) -> np.ndarray:
    """Average large images down first: the warp samples four pixels and would alias them."""
    shrink = min(rgb.shape[:2]) / size
    if shrink < 2:
        return rgb
    height, width = (round(side * 1.5 / shrink) for side in rgb.shape[:2])
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)


def _warp(rgb: np.ndarray, size: int, a: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Crop, turn, flip and resize in one interpolation, in the image's own geometry."""
    rgb = _area_reduced(rgb, size)
    height, width = rgb.shape[:2]
    scale = np.sqrt(rng.uniform(a.min_area, 1.0))
    stretch = np.exp(rng.uniform(-a.aspect, a.aspect) / 2)
    extent = np.array([width * scale * stretch, height * scale / stretch])
    angle = np.deg2rad(90 * rng.integers(4) + rng.uniform(-a.rotation, a.rotation))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    flip = rng.choice((-1.0, 1.0), 2)
    slack = np.maximum(0.0, np.array([width, height]) - extent) / 2
    centre = np.array([width, height]) / 2 + rng.uniform(-1, 1, 2) * slack
    # Output pixel centres -> source pixel centres.
    linear = turn @ np.diag(extent * flip / size)
    offset = centre - linear @ np.full(2, (size - 1) / 2) - 0.5
    matrix = np.column_stack([linear, offset])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(rgb, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT_101)


def _recolour(rgb: np.ndarray, a: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Saturation, channel gains, contrast and brightness as one 3x4 matrix on colours."""
    grey = np.full((3, 3), 1 / 3)
    saturation = 1 + rng.uniform(-a.saturation, a.saturation)
    mix = saturation * np.eye(3) + (1 - saturation) * grey
    gain = 1 + rng.uniform(-a.channel_gain, a.channel_gain, (3, 1))
    contrast = 1 + rng.uniform(-a.contrast, a.contrast)
    pivot = rgb.mean(axis=(0, 1), dtype=np.float32)
    linear = contrast * gain * mix
    shift = 255 * rng.uniform(-a.brightness, a.brightness) + gain[:, 0] * pivot - linear @ pivot
    return cv2.transform(rgb, np.column_stack([linear, shift]))


def _degrade(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lose detail by a smaller copy or a Gaussian."""
    size = rgb.shape[0]
    if rng.random() < 0.5:
        small = int(size * rng.uniform(0.4, 0.8))
        rgb = cv2.resize(rgb, (small, small), interpolation=cv2.INTER_AREA)
        return cv2.resize(rgb, (size, size), interpolation=cv2.INTER_LINEAR)
    return cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.4, 1.5))


def augment(
    rgb: np.ndarray, size: int, options: Augmentation, rng: np.random.Generator
) -> np.ndarray:
    """A random view: RGB uint8 `[H, W, 3]` -> uint8 `[size, size, 3]`."""
    view = _warp(rgb, size, options, rng)
    if rng.random() < options.blur_probability:
        view = _degrade(view, rng)
    return _recolour(view, options, rng)
