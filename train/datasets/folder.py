"""A folder per class: `DIR/mel/a.jpg`, `DIR/nv/b.jpg`. Folder names are the class codes."""

from __future__ import annotations

from pathlib import Path

from skinedge.errors import DatasetError
from skinedge.image_folder import images_below
from skinedge.lesion import CODES

from .images import LabelledImage, LabelledImages, Parsed, Problem
from .layout import Layout, diagnosis
from .tables import tables_in

__all__ = ["LAYOUT", "has_class_folders", "parse"]


def has_class_folders(root: Path, classes: tuple[str, ...]) -> bool:
    """Whether a folder in `root` is named after a class and holds an image."""
    folders = (path for path in root.iterdir() if path.is_dir())
    named = (path for path in folders if diagnosis(path.name, classes) in classes)
    return any(images_below(folder) for folder in named)


def parse(root: Path, classes: tuple[str, ...] = CODES) -> Parsed:
    """Label images by folders named after `classes` (upper or lower case).

    Tables beside the folders label nothing here, and are named as harmless problems.

    Raises:
        DatasetError: no folder holds an image.
    """
    images, found = [], []
    for table in tables_in(root):
        text = f"{table.name} is not read: the folders beside it label the images"
        found.append(Problem("stray table", table.name, text, harmless=True))
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        files = images_below(folder)
        code = diagnosis(folder.name, classes)
        if files and code not in classes:
            text = (
                f"{folder.name}: not a class of this model; folders are named: {', '.join(classes)}"
            )
            found.append(Problem("unknown diagnosis", folder.name, text))
            continue
        for file in files:
            image_id = str(file.relative_to(root))
            images.append(LabelledImage(image_id, file, classes.index(code), image_id))
    if not images and all(problem.harmless for problem in found):
        raise DatasetError(
            f"{root}: no labelled images; give HAM10000's folder, a folder with one CSV table "
            "(image_id,dx), or folders named after the classes"
        )
    return Parsed(root, LabelledImages(root.name, classes, tuple(images)), tuple(found))


LAYOUT = Layout("folder", "folders named after the classes", Path.is_dir, parse)
