"""SkinEdge's edge library: run an int8 skin-lesion classifier without TensorFlow.

A research tool, never a diagnosis.
"""

from __future__ import annotations

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
