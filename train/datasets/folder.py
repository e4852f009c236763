"""A folder per class: `DIR/mel/a.jpg`, `DIR/nv/b.jpg`. Folder names are the class codes."""

from __future__ import annotations

from pathlib import Path

from skinedge.errors import DatasetError
from skinedge.image import images_below
from skinedge.lesion import CODES

from .images import LabelledImage, LabelledImages, Parsed, Problem
from .layout import Layout

__all__ = ["LAYOUT", "parse"]


def parse(root: Path, classes: tuple[str, ...] = CODES) -> Parsed:
    """Label images by folders named after `classes` (upper or lower case).

    Raises:
        DatasetError: no folder holds an image.
    """
    images, found = [], []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        files = images_below(folder)
        code = folder.name.lower()
        if files and code not in classes:
            text = (
                f"{folder.name}: not a class of this model; folders are named: {', '.join(classes)}"
            )
            found.append(Problem("unknown diagnosis", folder.name, text))
            continue
        for file in files:
            image_id = str(file.relative_to(root))
            images.append(LabelledImage(image_id, file, classes.index(code), image_id))
    if not images and not found:
        raise DatasetError(
            f"{root}: no labelled images; give HAM10000's folder, a folder with one CSV table "
            "(image_id,dx), or folders named after the classes"
        )
    return Parsed(root, LabelledImages(root.name, classes, tuple(images)), tuple(found))


LAYOUT = Layout("folder", "folders named after the classes", Path.is_dir, parse)
