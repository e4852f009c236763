"""The errors SkinEdge raises on purpose; each message is one line: what, which file, what to do."""

from __future__ import annotations

__all__ = [
    "BenchmarkError",
    "CameraError",
    "CompressionError",
    "DatasetError",
    "ImageError",
    "ModelFileError",
    "RunError",
    "RuntimeMissingError",
    "SkinEdgeError",
    "UsageError",
]


class SkinEdgeError(Exception):
    """Base of every deliberate error. `exit_code` is what the command line exits with."""

    exit_code = 2


class UsageError(SkinEdgeError):
    """Options that do not fit together or name nothing."""


class ImageError(SkinEdgeError):
    """An image that is missing, unreadable, damaged or too large."""


class ModelFileError(SkinEdgeError):
    """A model file that is missing, damaged or not a SkinEdge-shaped classifier."""


class DatasetError(SkinEdgeError):
    """A dataset folder or table that lacks what its layout promises."""


class RunError(SkinEdgeError):
    """A training run folder that is missing, incomplete or in the way."""


class CameraError(SkinEdgeError):
    """A camera or video source that cannot be opened or stopped delivering frames."""


class RuntimeMissingError(SkinEdgeError):
    """No TensorFlow Lite interpreter works in this Python."""

    exit_code = 1


class BenchmarkError(SkinEdgeError):
    """A benchmark on another machine that could not be run there."""

    exit_code = 1


class CompressionError(SkinEdgeError):
    """A model that could not be converted or quantized."""

    exit_code = 1
