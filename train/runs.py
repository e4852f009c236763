"""The folder of a training run: where its files are, and what its model says."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np
from scipy.special import softmax

from skinedge.errors import DatasetError, RunError
from skinedge.lesion import lesion
from skinedge.whole_file import appearing

from .answers import Answers
from .augment import flips
from .batches import load_pixels, load_readable, normalise
from .calibrate import Calibration, unfold
from .datasets.images import LabelledImages
from .datasets.splits import Split
from .partition import Partition
from .predicting import in_parts, outputs_of

__all__ = [
    "Run",
    "ask_keras",
    "data_of",
    "load",
    "load_equal_prior",
    "outputs_on",
    "save",
    "split_of",
]


class Run:
    """Where a training run keeps its files."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.description = self.folder / "run.json"
        self.split = self.folder / "split.csv"
        self.log = self.folder / "log.csv"
        self.curves = self.folder / "curves.png"
        self.model = self.folder / "model.keras"
        self.checkpoints = self.folder / "checkpoints"

    def describe(self) -> dict[str, Any]:
        """What `run.json` says.

        Raises:
            RunError: there is no readable `run.json`, so this is no run folder.
        """
        try:
            return dict(json.loads(self.description.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise RunError(
                f"{self.folder}: not a run folder (no readable run.json); "
                "make one with: skinedge train edge --data DIR --out RUN"
            ) from error

    def stage_weights(self, index: int) -> Path:
        return self.checkpoints / f"stage{index}.weights.h5"


def data_of(run: Run, *paths: str | Path) -> LabelledImages:
    """The dataset at `paths`, read as the run read its own.

    Raises:
        RunError: the run was made by an earlier SkinEdge, which noted less.
        DatasetError, UsageError: see `Partition.open`.
    """
    description = run.describe()
    if "partition" not in description:
        raise RunError(f"{run.folder}: made by an earlier SkinEdge; train it again")
    return Partition.of(description).open(*paths)


def split_of(run: Run, data: LabelledImages) -> Split:
    """The split a run was trained on, made again from its dataset and seed.

    Raises:
        RunError: this dataset gives another split.
    """
    description = run.describe()
    split = Partition.of(description)(data)
    if split.digest() != description["split_sha256"]:
        raise RunError(f"{run.folder}: was trained on another split than {data.name} gives now")
    return split


def load(run: Run) -> Any:
    """The finished Keras model of a run; outputs logits and, with attention, the map.

    Raises:
        RunError: training has not finished, or the file is damaged.
    """
    if not run.model.is_file():
        raise RunError(f"{run.folder}: training has not finished; go on with --resume")
    try:
        return keras.models.load_model(run.model, compile=False)
    except (OSError, ValueError, TypeError, KeyError, BadZipFile) as error:
        said = str(error).rpartition("Exception encountered: ")[2].strip() or type(error).__name__
        reason = said.splitlines()[0].partition(". ")[0]
        raise RunError(
            f"{run.model}: damaged, or of other than stock Keras layers ({reason})"
        ) from error


def save(model: Any, path: Path) -> None:
    """Write a Keras model whole or not at all.

    Raises:
        OSError: see `whole_file.appearing`.
    """
    with appearing(path) as partial:
        model.save(partial)


def load_equal_prior(run: Run, split: Split) -> Any:
    """The finished model of a run, its class prior and temperature taken out again: what a
    training on `split` may learn from, or go on from.

    Raises:
        RunError: the run has not finished, or was for other classes or on another split, so that
            it may have seen what the training is tested on.
    """
    description = run.describe()
    if tuple(description["recipe"]["spec"]["classes"]) != split.train.classes:
        raise RunError(f"{run.folder}: cannot train from it, it answers for other classes")
    if description["split_sha256"] != split.digest():
        raise RunError(
            f"{run.folder}: cannot train from it, it was trained on another split; train both "
            "with the same data and --split-seed"
        )
    model = load(run)
    calibration = Calibration(**description["calibration"])
    unfold(model.get_layer("logits"), calibration)
    return model


def outputs_on(model: Any, data: LabelledImages, size: int) -> list[np.ndarray]:
    """Raw outputs on a labelled set: logits and, with attention, maps.

    Raises:
        ImageError: an image cannot be read.
    """
    return outputs_of(
        model, data.images, prepare=lambda images: normalise(load_pixels(images, size))
    )


def ask_keras(model: Any, data: LabelledImages, views: int = 1) -> Answers:
    """What the full-precision Keras model says of a labelled set; see `evaluate.ask`.

    Args:
        model: a finished run's.
        data: the set.
        views: of each image, whose probabilities are averaged: 1, or 8 flips and turns. The map
            is that of the image as it is.

    Raises:
        DatasetError: no image can be read.
    """
    size = model.inputs[0].shape[1]
    rows, maps, answered, unreadable = [], [], [], []
    for images in in_parts(data.images):
        pixels, readable, lines = load_readable(images, size)
        unreadable += lines
        answered += readable
        if not readable:
            continue
        outputs = [outputs_of(model, normalise(view)) for view in islice(flips(pixels), views)]
        of_views = [softmax(np.asarray(o[0], np.float64), axis=1) for o in outputs]
        rows.append(np.mean(of_views, axis=0))
        maps += outputs[0][1:]
    if not rows:
        raise DatasetError(f"{data.name}: none of its {len(data.images)} images can be read")
    attention = None
    if maps:
        found = np.concatenate(maps)
        side = round(found.shape[1] ** 0.5)
        attention = (found / found.max(axis=1, keepdims=True)).reshape(-1, side, side)
    return Answers(
        data.classes,
        data.having(answered).labels(),
        np.concatenate(rows),
        np.array([lesion(code).malignant for code in data.classes]),
        attention,
        tuple(unreadable),
        tuple(answered),
    )
