"""Write the picture of where the model looked."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from skinedge.errors import UsageError
from skinedge.heatmap import overlay
from skinedge.prediction import Prediction

__all__ = ["write_overlay"]


def write_overlay(path: Path, image: npt.NDArray[np.uint8], prediction: Prediction) -> None:
    """Write the overlay of one RGB image `[H, W, 3]` as PNG, making its folder if need be.

    Raises:
        UsageError: the model has no attention map, or the file cannot be written.
    """
    if prediction.attention is None:
        raise UsageError("this model has no attention map: leave --heatmap out")
    picture = overlay(image, prediction.attention)
    encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot write the heatmap: {error.strerror}") from error
