"""What a view may lose: detail, even light, clean pixels, parts. For `augment`, which says when.

Everything takes and returns RGB uint8 `[size, size, 3]` and draws from the generator passed in.
"""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["add_noise", "blur", "cut_out", "equalise"]

# The network's zero, as DeVries & Taylor fill with the mean of normalised images.
HOLE = 127


def blur(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lose detail by a smaller copy or a Gaussian."""
    size = rgb.shape[0]
    if rng.random() < 0.5:
        small = int(size * rng.uniform(0.4, 0.8))
        rgb = cv2.resize(rgb, (small, small), interpolation=cv2.INTER_AREA)
        return cv2.resize(rgb, (size, size), interpolation=cv2.INTER_LINEAR)
    return cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.4, 1.5))


def equalise(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """CLAHE (Zuiderveld 1994) on lightness, 8 x 8 tiles, clip limit 1 to 4; hue stays."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(rng.uniform(1, 4), (8, 8)).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def add_noise(rgb: np.ndarray, largest: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of a standard deviation up to `largest`, as a share of full scale."""
    sigma = np.float32(255 * rng.uniform(0, largest))
    noisy = rgb + sigma * rng.standard_normal(rgb.shape, np.float32)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def cut_out(rgb: np.ndarray, holes: int, size: float, rng: np.random.Generator) -> np.ndarray:
    """Grey out squares of side `size` as a share of the view's; centres anywhere.

    DeVries & Taylor 2017 (arXiv 1708.04552, section 3.2): a hole may reach over the edge.
    """
    rgb = rgb.copy()
    side = rgb.shape[0]
    length = round(size * side)
    for top, left in rng.integers(side, size=(holes, 2)) - length // 2:
        rgb[max(0, top) : max(0, top + length), max(0, left) : max(0, left + length)] = HOLE
    return rgb
