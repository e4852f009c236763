"""Attention map -> overlay on the image it explains."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["overlay"]


def overlay(
    rgb: npt.NDArray[np.uint8], attention: npt.NDArray[np.float32], strength: float = 0.5
) -> npt.NDArray[np.uint8]:
    """Colour an image by where the model looked.

    The map is stretched to the image with bicubic interpolation: each of its cells stands for a
    square of the input, so fine structure in the overlay is interpolation, not knowledge.

    Args:
        rgb: uint8 `[H, W, 3]`, the whole image that was predicted.
        attention: float32 `[h, w]`, 0 to 1.
        strength: weight of the colour where attention is 1, 0 to 1.

    Returns:
        RGB uint8 `[H, W, 3]`.
    """
    height, width = rgb.shape[:2]
    stretched = cv2.resize(attention, (width, height), interpolation=cv2.INTER_CUBIC)
    weight = np.clip(stretched, 0.0, 1.0)
    levels = (weight * 255).astype(np.uint8)
    colour = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    alpha = (strength * weight)[..., np.newaxis]
    blended = np.empty_like(rgb)
    for row in range(0, height, 256):  # in strips: a whole photo in float32 would not fit a Pi
        part = slice(row, row + 256)
        mixed = rgb[part] * (1 - alpha[part]) + colour[part] * alpha[part]
        blended[part] = mixed.round()
    return blended
