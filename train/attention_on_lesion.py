"""How much of an attention map's energy lies on the lesion: the energy-based pointing game.

Wang et al. 2020 (Score-CAM, arXiv 1910.01279, section 4.3): the map's sum inside the target
divided by its sum everywhere. The target there is a box, here the lesion's own outline. The map
is stretched to the mask bilinearly (half-pixel centres), which keeps it non-negative. A map that
knows nothing already scores the lesion's share of the picture, and lesions lie in the middle of
dermoscopic pictures; so both of these baselines stand beside every figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from .datasets.images import LabelledImage

__all__ = ["AttentionOnLesion", "attention_on_lesion", "energy_on_lesion", "lesion_mask"]

# The centred baseline: a Gaussian whose sigma is this share of the picture's width and height.
CENTRED_SIGMA = 0.25
# A sharp copy (HAM10000_images_sharp) shows the middle square of the 4:3 picture that the mask
# was drawn on: 0.750 of its width, all of its height (registered on 80 pairs, spread 0.0003).
SHARP_WIDTH = 0.75


@dataclass(frozen=True)
class AttentionOnLesion:
    """Shares of energy on the lesion, image by image; NaN without a mask.

    Attributes:
        shares: float64 `[n]`, of the model's map, 0 to 1.
        uniform: float64 `[n]`, of a map that is the same everywhere: the lesion's area.
        centred: float64 `[n]`, of a Gaussian in the middle of the picture.
    """

    shares: np.ndarray
    uniform: np.ndarray
    centred: np.ndarray

    def figures(self) -> dict[str, Any]:
        """Means over the images with a mask; `gain` is the mean over the uniform map's mean."""
        known = ~np.isnan(self.shares)
        mean, uniform, centred = (
            float(values[known].mean()) for values in (self.shares, self.uniform, self.centred)
        )
        return {
            "images": int(known.sum()),
            "mean": mean,
            "uniform": uniform,
            "centred": centred,
            "gain": mean / uniform,
        }


def lesion_mask(image: LabelledImage) -> np.ndarray | None:
    """The lesion's outline on the picture that models are asked about.

    Returns:
        bool `[h, w]`, covering the same field as `image.sharpest`; None where there is no mask,
        it cannot be read, or no lesion is in the picture.
    """
    if image.mask is None:
        return None
    grey = cv2.imread(str(image.mask), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        return None
    mask = grey > 127
    if image.sharp is not None:
        margin = round(mask.shape[1] * (1 - SHARP_WIDTH) / 2)
        mask = mask[:, margin : mask.shape[1] - margin]
    return mask if mask.any() else None


def energy_on_lesion(attention: np.ndarray, mask: np.ndarray) -> float:
    """Share of one map's energy inside one mask.

    Args:
        attention: float `[h, w]`, non-negative, over the whole picture.
        mask: bool `[H, W]`, True on the lesion, over the same picture.

    Returns:
        0 to 1; NaN for a map without energy.
    """
    height, width = mask.shape
    stretched = cv2.resize(
        attention.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR
    )
    energy = float(stretched.sum(dtype=np.float64))
    return float(stretched[mask].sum(dtype=np.float64)) / energy if energy > 0 else float("nan")


def _centred(height: int, width: int) -> np.ndarray:
    """A Gaussian `[height, width]` in the middle."""
    across, down = (
        np.exp(-0.5 * (((np.arange(side) + 0.5) / side - 0.5) / CENTRED_SIGMA) ** 2)
        for side in (width, height)
    )
    return np.outer(down, across)


def attention_on_lesion(
    attention: np.ndarray | None, images: Sequence[LabelledImage]
) -> AttentionOnLesion | None:
    """Play the energy-based pointing game with every image that has a mask.

    Args:
        attention: float `[n, h, w]`, one map per image; None for a model without a map.
        images: the `n` images, or none where they are not known.

    Returns:
        None when there is no map or no mask.
    """
    if attention is None or not any(image.mask for image in images):
        return None
    found = np.full((len(images), 3), np.nan)
    for row, (one_map, image) in enumerate(zip(attention, images, strict=True)):
        mask = lesion_mask(image)
        if mask is not None:
            centre = _centred(*mask.shape)
            found[row] = (
                energy_on_lesion(one_map, mask),
                mask.mean(),
                centre[mask].sum() / centre.sum(),
            )
    if np.isnan(found[:, 0]).all():
        return None
    return AttentionOnLesion(*found.T)
