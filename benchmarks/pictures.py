"""Pictures to ask models about where no data is given: they decide no accuracy."""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["jpeg", "pictures"]

HEIGHT, WIDTH = 450, 600  # as HAM10000's
_SKIN, _BLUR = (220, 180, 160), 31


def pictures(count: int, seed: int) -> np.ndarray:
    """Dark spots of many colours on skin: RGB uint8 `[count, 450, 600, 3]`."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(count):
        picture = np.full((HEIGHT, WIDTH, 3), _SKIN, np.uint8)
        for _ in range(rng.integers(2, 7)):
            centre = [int(v) for v in rng.normal((WIDTH / 2, HEIGHT / 2), 50)]
            axes = [int(v) for v in rng.uniform(20, 150, 2)]
            colour = [int(v) for v in rng.integers(20, 200, 3)]
            cv2.ellipse(picture, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1)
        noisy = cv2.GaussianBlur(picture, (_BLUR, _BLUR), 0) + rng.normal(0, 6, picture.shape)
        drawn.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return np.stack(drawn)


def jpeg(picture: np.ndarray) -> bytes:
    """RGB uint8 `[H, W, 3]` as a file in memory."""
    _, content = cv2.imencode(".jpg", picture[..., ::-1])
    return bytes(content)
