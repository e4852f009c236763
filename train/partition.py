"""Which images of a dataset a run trains, validates and tests on, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from skinedge.errors import UsageError

from .datasets.images import LabelledImages
from .datasets.labels import where
from .datasets.splits import Split, folds_by_lesion, split_by_lesion
from .tasks import TASKS
from .zoo.table import row

__all__ = ["Partition"]


@dataclass(frozen=True)
class Partition:
    """How a dataset is labelled and split.

    Attributes:
        task: a row of `tasks.TASKS`.
        seed: of the split.
        folds: 1 is a hold-out split.
        fold: which one tests, from 1.
        clinic: only this clinic's images; empty takes all.
    """

    task: str = "ham10000"
    seed: int = 1
    folds: int = 1
    fold: int = 1
    clinic: str = ""

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Partition:
        """What a run's description or a model's card says of it.

        Those from before there was a choice name only the seed.
        """
        said = description.get("partition", {"seed": description["seed"]})
        return cls(**{f.name: said[f.name] for f in fields(cls) if f.name in said})

    def __call__(self, data: LabelledImages) -> Split:
        """Split a dataset, by lesion or, where it groups by patient, by patient.

        Raises:
            UsageError: there is no such task or fold, or the task has no class for a diagnosis.
            DatasetError: a class has too few lesions, or the clinic no images.
        """
        if not 1 <= self.fold <= self.folds:
            raise UsageError(f"there is no fold {self.fold} of {self.folds}")
        images = row(TASKS, "task", self.task).ask(data)
        if self.clinic:
            images = where(images, "clinic", self.clinic)
        if self.folds == 1:
            return split_by_lesion(images, self.seed)
        return folds_by_lesion(images, self.folds, self.seed)[self.fold - 1]
