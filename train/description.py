"""What a run says of itself in `run.json`, and what of it a resumed run must share."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from skinedge.errors import RunError

from .datasets.splits import Split
from .distill import Distillation
from .partition import Partition
from .recipes.recipe import Recipe
from .runs import Run

__all__ = ["Options", "check_same", "describe"]

# What of a run's description must not change between a start and a resume.
IDENTITY = (
    "recipe_sha256",
    "seed",
    "start",
    "split_sha256",
    "teachers",
    "distillation",
    "precision",
)


@dataclass(frozen=True)
class Options:
    """What a training run may vary beside its recipe, split and seed.

    Attributes:
        weights: where the network starts: `imagenet`, `none`, a file of ImageNet weights, or the
            folder of a finished run of the same network and split, to go on from.
        teachers: run folders to learn from.
        distillation: how much the teachers count.
        precision: `float32`, or `bfloat16` for computation with float32 weights.
        workers: threads that read images, None for one a core; weights do not depend on it.
    """

    weights: str = "imagenet"
    teachers: tuple[Path, ...] = ()
    distillation: Distillation = field(default_factory=Distillation)
    precision: str = "float32"
    workers: int | None = None

    @property
    def start(self) -> Run | None:
        """The run to go on from, if it is one."""
        if self.weights in NAMED_STARTS or not Path(self.weights).is_dir():
            return None
        return Run(self.weights)


NAMED_STARTS = {"none": "random", "imagenet": "imagenet"}


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _start(options: Options) -> str:
    """For people and models' cards; a file by its digest."""
    if options.weights in NAMED_STARTS:
        return NAMED_STARTS[options.weights]
    if run := options.start:
        return f"run {_sha256(run.model)}"
    return f"imagenet, file {_sha256(Path(options.weights))}"


def _changed(options: Options) -> dict[str, Any]:
    """What compression did to the network that this run goes on with, if anything."""
    changed = options.start and options.start.describe().get("changed")
    return {"changed": changed} if changed else {}


def describe(
    recipe: Recipe, split: Split, seed: int, partition: Partition, options: Options
) -> dict[str, Any]:
    """All of a run that is known before it trains, in JSON's types.

    The weights' file, the run to go on from and the teachers must be there.
    """
    return {
        "recipe": asdict(recipe),
        "recipe_sha256": recipe.digest(),
        "seed": seed,
        "partition": asdict(partition),
        "start": _start(options),
        **_changed(options),
        "teachers": [_sha256(Run(teacher).model) for teacher in options.teachers],
        "distillation": asdict(options.distillation) if options.teachers else None,
        "precision": options.precision,
        "dataset": split.train.name,
        "split_sha256": split.digest(),
        "lesions": {
            name: len({i.lesion_id for i in p.images}) for name, p in split.parts().items()
        },
        "images": {name: len(part.images) for name, part in split.parts().items()},
        "versions": {
            "python": platform.python_version(),
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
            "numpy": np.__version__,
        },
    }


def check_same(run: Run, description: Mapping[str, Any]) -> None:
    """Refuse to resume a run as another one.

    Raises:
        RunError: there is no run, or something that decides its weights differs.
    """
    before = run.describe()
    for key in IDENTITY:
        if before.get(key) != description[key]:
            raise RunError(f"{run.folder}: cannot resume, {key} differs from this run's")
