"""Where a set's images and masks lie, by image id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from skinedge.image_folder import images_below

__all__ = ["Files", "files_below", "masks_below"]

_MASK = "_segmentation"


@dataclass(frozen=True)
class Files:
    """Image files, sharper copies and lesion masks by image id, of a table in `root`."""

    root: Path
    images: Mapping[str, tuple[Path, ...]]
    sharp: Mapping[str, Path] = field(default_factory=dict)
    masks: Mapping[str, Path] = field(default_factory=dict)

    def called(self, image_id: str) -> tuple[Path, ...]:
        """Every image file with this id; where there is none, the one that is looked for.

        A table may also name files: `photos/a.jpg` from where it lies itself, or from any folder
        below.
        """
        if image_id in self.images:
            return self.images[image_id]
        if (named := self.root / image_id).is_file():
            return (named,)
        end = PurePath(image_id)
        alike = self.images.get(end.stem, ())
        found = tuple(path for path in alike if path.parts[-len(end.parts) :] == end.parts)
        return found or (self.root / f"{image_id}.jpg",)

    def mask_of(self, image: Path) -> Path | None:
        """The mask of an image file, by its stem; None where several images have the same."""
        return None if len(self.images.get(image.stem, ())) > 1 else self.masks.get(image.stem)


def _is_mask(path: Path) -> bool:
    folder = path.parent.name.lower()
    return (
        path.stem.lower().endswith(_MASK) or folder in ("mask", "masks") or "segmentation" in folder
    )


def masks_below(folder: Path) -> dict[str, Path]:
    """Lesion masks in a folder and those in it: `<image id>_segmentation.png`, as ISIC does."""
    found = (path for path in images_below(folder) if _is_mask(path.relative_to(folder)))
    return {
        path.stem[: -len(_MASK)] if path.stem.lower().endswith(_MASK) else path.stem: path
        for path in found
    }


def files_below(root: Path) -> Files:
    """Images and masks in a folder and those in it."""
    images: dict[str, tuple[Path, ...]] = defaultdict(tuple)
    for path in images_below(root):
        # A mask named as its image is must not be taken for the image.
        if not _is_mask(path.relative_to(root)):
            images[path.stem] += (path,)
    return Files(root, dict(images), masks=masks_below(root))
