"""The images in a folder and the folders in it."""

from __future__ import annotations

__all__ = ["SUFFIXES", "images_below"]

import os
import stat
from collections.abc import Callable
from pathlib import Path

from skinedge.errors import ImageError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
"""Extensions, in lower case, of the files that a folder is searched for."""


def images_below(
    folder: str | os.PathLike[str], on_error: Callable[[ImageError], None] | None = None
) -> list[Path]:
    """Every file with an image's extension in a folder and the folders in it, sorted.

    Links to folders are not followed.

    Args:
        folder: where to look; one that is missing holds no images.
        on_error: called for each folder that cannot be read, and for each image that cannot be
            reached, such as a link that leads nowhere; all of these are left out.
    """

    def unreadable(error: OSError) -> None:
        if on_error is not None:
            reason = f"cannot be read ({error.strerror}); check its permissions and links"
            on_error(ImageError(f"{error.filename}: {reason}"))

    images = []
    for parent, _, files in os.walk(folder, onerror=unreadable):
        for path in (Path(parent, name) for name in files):
            if path.suffix.lower() not in SUFFIXES:
                continue
            try:
                if stat.S_ISREG(path.stat().st_mode):
                    images.append(path)
            except OSError as error:
                unreadable(error)
    return sorted(images)
