"""Which images of a dataset a run trains, validates and tests on, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import reduce
from pathlib import Path
from typing import Any

from skinedge.errors import UsageError
from skinedge.lesion import ALL

from .datasets import find_layout, merge, open_dataset
from .datasets.grouping import keep_identical_together
from .datasets.images import LabelledImages
from .datasets.labels import where
from .datasets.splits import Split, folds_by_lesion, split_by_lesion
from .tasks import TASKS
from .zoo.table import row

__all__ = ["Partition", "layout_of_each"]


def layout_of_each(layout: str, count: int) -> list[str]:
    """The layouts of so many datasets: one name for all, or one for each with commas between.

    Raises:
        UsageError: there is not one for each.
    """
    layouts = layout.split(",") if "," in layout else [layout] * count
    if len(layouts) != count:
        raise UsageError(f"{count} datasets and {len(layouts)} layouts: name one for each")
    return layouts


@dataclass(frozen=True)
class Partition:
    """How a dataset is labelled and split.

    Attributes:
        task: a row of `tasks.TASKS`.
        seed: of the split.
        folds: 1 is a hold-out split.
        fold: which one tests, from 1.
        clinic: only this clinic's images; empty takes all.
        layout: how the dataset is read; empty finds out. Of several datasets, see
            `layout_of_each`.
    """

    task: str = "ham10000"
    seed: int = 1
    folds: int = 1
    fold: int = 1
    clinic: str = ""
    layout: str = ""

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Partition:
        """What a run's description or a model's card says of it.

        Those from before there was a choice name only the seed.
        """
        said = description.get("partition", {"seed": description["seed"]})
        return cls(**{f.name: said[f.name] for f in fields(cls) if f.name in said})

    def open(self, *paths: str | Path) -> LabelledImages:
        """The dataset at `paths`, in the layout that the task wants, as it labels itself.

        Several are one dataset, each image of theirs once; see `datasets.merging`.

        Raises:
            DatasetError: there is none, or a broken one, or they disagree.
            UsageError: there is no such task or layout, or not one layout for each path.
        """
        task = row(TASKS, "task", self.task)
        layouts = layout_of_each(self.layout, len(paths))
        sets = [self._read(path, layout) for path, layout in zip(paths, layouts, strict=True)]
        return reduce(lambda one, other: merge(one, other, task.becomes), sets)

    def _read(self, path: str | Path, layout: str) -> LabelledImages:
        if not layout:
            found = find_layout(path)[0].name
            layout = TASKS[self.task].layouts.get(found, found)
        return open_dataset(path, tuple(ALL), layout)

    def images(self, data: LabelledImages) -> LabelledImages:
        """The images that are split, labelled for the task.

        Raises:
            UsageError: there is no such task, or it has no class for a diagnosis.
            DatasetError: no image is left.
        """
        images = row(TASKS, "task", self.task).ask(data)
        return where(images, "clinic", self.clinic) if self.clinic else images

    def __call__(self, data: LabelledImages) -> Split:
        """Split a dataset, by lesion or, where it groups by patient, by patient; identical
        images are kept together.

        Raises:
            UsageError: there is no such fold, or see `images`.
            DatasetError: a class has too few lesions, or see `images`.
        """
        if not 1 <= self.fold <= self.folds:
            raise UsageError(f"there is no fold {self.fold} of {self.folds}")
        images = keep_identical_together(self.images(data))
        if self.folds == 1:
            return split_by_lesion(images, self.seed)
        return folds_by_lesion(images, self.folds, self.seed)[self.fold - 1]
