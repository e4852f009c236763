"""A folder per class: `DIR/mel/a.jpg`, `DIR/nv/b.jpg`. Folder names are the class codes."""

from __future__ import annotations

from pathlib import Path

from skinedge.errors import DatasetError
from skinedge.image import images_below

from .images import LabelledImage, LabelledImages

__all__ = ["load"]


def load(root: Path, classes: tuple[str, ...]) -> LabelledImages:
    """Load images from folders named after `classes` (upper or lower case).

    Raises:
        DatasetError: no such folder holds an image, or a folder is named after no class.
    """
    images = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        files = images_below(folder)
        code = folder.name.lower()
        if files and code not in classes:
            raise DatasetError(
                f"{folder}: not a class of this model; folders are named: {', '.join(classes)}"
            )
        for file in files:
            image_id = str(file.relative_to(root))
            images.append(LabelledImage(image_id, file, classes.index(code), image_id))
    if not images:
        raise DatasetError(
            f"{root}: no labelled images; give HAM10000's folder, a folder with one CSV table "
            "(image_id,dx), or folders named after the classes"
        )
    return LabelledImages(root.name, classes, tuple(images))
