"""SkinEdge's edge library: run an int8 skin-lesion classifier without TensorFlow.

A research tool, never a diagnosis.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .classifier import Classifier
    from .errors import ImageError, ModelFileError, SkinEdgeError
    from .prediction import Decision, Label, Prediction, Timings

__all__ = [
    "DISCLAIMER",
    "Classifier",
    "Decision",
    "ImageError",
    "Label",
    "ModelFileError",
    "Prediction",
    "SkinEdgeError",
    "Timings",
]

DISCLAIMER = "SkinEdge is a research tool, not a medical device: its output is never a diagnosis."

# Imported when first used: `skinedge --help` needs neither numpy nor OpenCV.
_HOMES = {
    "Classifier": "classifier",
    "ImageError": "errors",
    "ModelFileError": "errors",
    "SkinEdgeError": "errors",
    "Decision": "prediction",
    "Label": "prediction",
    "Prediction": "prediction",
    "Timings": "prediction",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
