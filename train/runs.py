"""The folder of a training run: where its files are, and what its model says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from skinedge.errors import RunError
from skinedge.lesion import LESIONS

from .batches import load_pixels, normalise
from .datasets.images import LabelledImages
from .datasets.splits import Split, split_by_lesion
from .evaluate import Answers

__all__ = ["Run", "ask_keras", "load", "outputs_on", "split_of"]


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
        except (OSError, ValueError) as error:
            raise RunError(
                f"{self.folder}: not a run folder (no readable run.json); "
                "make one with: skinedge train edge --data DIR --out RUN"
            ) from error

    def stage_weights(self, index: int) -> Path:
        return self.checkpoints / f"stage{index}.weights.h5"


def split_of(run: Run, data: LabelledImages) -> Split:
    """The split a run was trained on, made again from its dataset and seed.

    Raises:
        RunError: this dataset gives another split.
    """
    description = run.describe()
    split = split_by_lesion(data, description["seed"])
    if split.digest() != description["split_sha256"]:
        raise RunError(f"{run.folder}: was trained on another split than {data.name} gives now")
    return split


def load(run: Run) -> Any:
    """The finished Keras model of a run; outputs logits and, with attention, the map.

    Raises:
        RunError: training has not finished.
    """
    if not run.model.is_file():
        raise RunError(f"{run.folder}: training has not finished; go on with --resume")
    return keras.models.load_model(run.model, compile=False)


def outputs_on(model: Any, data: LabelledImages, size: int) -> list[np.ndarray]:
    """Raw outputs on a labelled set: logits and, with attention, maps that sum to 1."""
    outputs = model.predict(normalise(load_pixels(data.images, size)), verbose=0)
    return outputs if isinstance(outputs, list) else [outputs]


def ask_keras(model: Any, data: LabelledImages) -> Answers:
    """What the full-precision Keras model says of a labelled set; see `evaluate.ask`."""
    size = model.inputs[0].shape[1]
    logits, *maps = outputs_on(model, data, size)
    side = size // 32
    peaks = [attention.max(axis=1, keepdims=True) for attention in maps]
    malignant = {lesion.code: lesion.malignant for lesion in LESIONS}
    return Answers(
        data.classes,
        data.labels(),
        softmax(logits.astype(np.float64), axis=1),
        np.array([malignant[code] for code in data.classes]),
        (maps[0] / peaks[0]).reshape(-1, side, side) if maps else None,
        (),
    )
