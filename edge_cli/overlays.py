"""Write the picture of where the model looked."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from skinedge.errors import UsageError
from skinedge.heatmap import overlay
from skinedge.image import out_of_memory
from skinedge.whole_file import write_whole

__all__ = ["write_overlay"]


def write_overlay(
    path: Path, image: npt.NDArray[np.uint8], attention: npt.NDArray[np.float32]
) -> None:
    """Write the overlay of one image as PNG, making its folder if need be.

    Args:
        path: the file, which is there whole or not at all.
        image: RGB uint8 `[H, W, 3]`.
        attention: float32 `[h, w]`, 0 to 1.

    Raises:
        UsageError: the file cannot be written, or there is no memory for it.
    """
    try:
        picture = overlay(image, attention)
        encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, encoded.tobytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot write the heatmap: {error.strerror}") from error
    except (MemoryError, cv2.error) as error:
        if not out_of_memory(error):
            raise
        raise UsageError(
            f"{path}: the heatmap needs more memory than this machine has; make the image smaller"
        ) from error
