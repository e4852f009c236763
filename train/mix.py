"""Mixed images: MixUp and CutMix on one batch.

Keras has layers for both; they draw from a global seed state, which Keras does not restore. Here
every draw comes from the generator passed in, so a batch depends on seed, epoch and step alone.
As in the authors' code, a batch has one mixing ratio and every image in it one partner.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

__all__ = ["Mixing", "mix"]


@dataclass(frozen=True)
class Mixing:
    """Which batches are mixed, and how; with both, each is as likely as the other.

    Attributes:
        mixup_alpha: MixUp blends two images by a ratio from Beta(alpha, alpha); 0 is off
            (Zhang et al. 2018, arXiv 1710.09412, section 2; 0.1 to 0.4 on ImageNet).
        cutmix_alpha: CutMix pastes a box whose area follows Beta(alpha, alpha); 0 is off
            (Yun et al. 2019, arXiv 1905.04899, section 3.1; 1 throughout).
        probability: share of batches that are mixed at all, 0 to 1.
    """

    mixup_alpha: float = 0.0
    cutmix_alpha: float = 0.0
    probability: float = 1.0


def _blend(
    pixels: np.ndarray, partners: np.ndarray, alpha: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    own = rng.beta(alpha, alpha)
    flat = (len(pixels), -1)
    mixed = cv2.addWeighted(pixels.reshape(flat), own, partners.reshape(flat), 1 - own, 0)
    return mixed.reshape(pixels.shape), own


def _paste(
    pixels: np.ndarray, partners: np.ndarray, alpha: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """The box's centre is anywhere, so it may reach over the edge: the label follows its rest."""
    height, width = pixels.shape[1:3]
    side = np.sqrt(1 - rng.beta(alpha, alpha))
    spans = []
    for length in (height, width):
        centre, half = rng.integers(length), int(length * side) // 2
        spans.append(slice(max(0, centre - half), min(length, centre + half)))
    rows, columns = spans
    mixed = pixels.copy()
    mixed[:, rows, columns] = partners[:, rows, columns]
    pasted = (rows.stop - rows.start) * (columns.stop - columns.start)
    return mixed, 1 - pasted / (height * width)


def mix(
    pixels: np.ndarray, labels: np.ndarray, options: Mixing, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mix every image of a batch with another one of it, and the labels in the same proportion.

    Args:
        pixels: uint8 `[b, h, w, 3]`; not changed.
        labels: shares of classes, float32 `[b, classes]`; not changed.
        options: what to do; with both alphas 0 nothing is drawn.
        rng: source of every draw.

    Returns:
        Pixels and labels of the same shapes and types; the arguments themselves when this batch
        is not mixed.
    """
    ways = [
        (way, alpha)
        for way, alpha in ((_blend, options.mixup_alpha), (_paste, options.cutmix_alpha))
        if alpha > 0
    ]
    if not ways or rng.random() >= options.probability:
        return pixels, labels
    way, alpha = ways[rng.integers(len(ways))]
    partner = rng.permutation(len(pixels))
    mixed, own = way(pixels, pixels[partner], alpha, rng)
    share = np.float32(own)
    return mixed, share * labels + (1 - share) * labels[partner]
