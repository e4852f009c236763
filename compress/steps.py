"""The steps that change a network, one after the other, each kept so that none is done twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np

from skinedge.errors import CompressionError
from skinedge.train.datasets.images import LabelledImages
from skinedge.train.recipes.recipe import Recipe
from skinedge.train.runs import save
from skinedge.whole_file import write_whole

from .activations import exchange_swish
from .card import Steps, weights_digest
from .cluster import cluster
from .prune import prune
from .qat import trained_int8
from .recipe import Compression, Qat
from .slim import slim

__all__ = ["Changed", "change", "quantized_while_training"]


# Raise it when a step does otherwise than before: what was kept then is not taken up again.
VERSION = 2


@dataclass(frozen=True)
class Changed:
    """A changed network and how it came about.

    Attributes:
        model: Keras 3; the run's own where no step changes it.
        did: what each step did.
    """

    model: Any
    did: Steps


@dataclass(frozen=True)
class _Kept:
    """One step's result in a folder: there whole or not at all."""

    model: Path
    report: Path

    def load(self) -> tuple[Any, dict[str, Any]] | None:
        if not self.report.is_file():
            return None
        try:
            model = keras.models.load_model(self.model, compile=False)
            return model, json.loads(self.report.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise CompressionError(
                f"{self.model}: a damaged step of an earlier compression; remove its folder"
            ) from error

    def save(self, model: Any, report: dict[str, Any]) -> None:
        self.model.parent.mkdir(parents=True, exist_ok=True)
        save(model, self.model)
        # Last: a step is done when its report is there.
        write_whole(self.report, (json.dumps(report, indent=1) + "\n").encode())


def _identity(model: Any, train: LabelledImages, recipe: Recipe, seed: int) -> list[Any]:
    """What decides a fine-tuned network, beside the settings of its steps."""
    # With its folder: a copy of the dataset may lack sharper copies of the same names.
    images = ["/".join(image.sharpest.parts[-2:]) for image in train.images]
    seen = hashlib.sha256("\n".join(images).encode()).hexdigest()
    return [VERSION, weights_digest(model), recipe.digest(), seed, seen]


def _digest(identity: list[Any]) -> str:
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]


def change(
    model: Any,
    train: LabelledImages,
    recipe: Recipe,
    how: Compression,
    seed: int,
    folder: Path,
    progress: Callable[[str, int], Any],
) -> Changed:
    """Take `swish`, `slim`, `prune` and `cluster` as far as the recipe has them.

    Args:
        model: the run's finished float model, which teaches every step.
        train: the training split.
        recipe: of the run; draws and varies views.
        how: the compression recipe.
        seed: of fine-tuning.
        folder: where results are kept, by a digest of all that decides them.
        progress: called with a line before each step.
    """
    cuts = partial(slim, progress=lambda line: progress(line, 0))
    steps = (
        (how.swish, exchange_swish),
        (how.slim, cuts),
        (how.prune, prune),
        (how.cluster, cluster),
    )
    wanted = [(settings, step) for settings, step in steps if settings is not None]
    identity = _identity(model, train, recipe, seed)
    did: Steps = {}
    student = model
    for name, (settings, step) in zip(how.steps(), wanted, strict=False):  # qat comes later
        identity.append(asdict(settings))
        stem = f"{name}-{_digest(identity)}"
        kept = _Kept(folder / f"{stem}.keras", folder / f"{stem}.json")
        found = kept.load()
        if found:
            progress(f"{name}: taken from {kept.model}", 0)
            student, did[name] = found
            continue
        progress(f"{name}: {settings.tune.epochs} epochs of fine-tuning", 0)
        student, report = step(student, model, train, recipe, settings, seed)
        did[name] = {**asdict(report), "summary": report.summary()}
        kept.save(student, did[name])
    return Changed(student, did)


def quantized_while_training(
    model: Any,
    teacher: Any,
    train: LabelledImages,
    recipe: Recipe,
    how: Compression,
    seed: int,
    images: np.ndarray,
    folder: Path,
    progress: Callable[[str, int], Any],
) -> bytes:
    """The last step, `qat`: see `qat.trained_int8`. Kept, lest what the gate refuses is trained
    again to be accepted.

    Args:
        folder, progress: as for `change`.

    Raises:
        CompressionError: see `qat.trained_int8`.
    """
    settings = how.qat or Qat()
    identity = [*_identity(model, train, recipe, seed), weights_digest(teacher), asdict(settings)]
    identity += [how.representative, bool(how.prune), bool(how.cluster)]
    file = folder / f"qat-{_digest(identity)}.tflite"
    if file.is_file():
        progress(f"qat: taken from {file}", 0)
        return file.read_bytes()
    progress(f"qat: {settings.tune.epochs} epochs", 0)
    content = trained_int8(model, teacher, train, recipe, how, seed, images)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(file, content)
    return content
