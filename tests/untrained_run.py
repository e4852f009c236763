"""A finished run that was never trained, for what reads runs."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import keras
from tiny import TINY

from skinedge.train.batches import lesion_prior
from skinedge.train.calibrate import Calibration
from skinedge.train.datasets import LabelledImages
from skinedge.train.partition import Partition
from skinedge.train.runs import Run
from skinedge.train.zoo.build import build
from skinedge.train.zoo.placement import placed
from skinedge.train.zoo.weights import load_imagenet

__all__ = ["finished"]


def finished(folder: Path, data: LabelledImages, block: str, seed: int, **changes: int) -> Path:
    """A run folder as training leaves it, its weights ImageNet's and random ones."""
    keras.utils.set_random_seed(seed)
    attention = placed(block, TINY.spec.backbone)
    recipe = replace(TINY, spec=replace(TINY.spec, attention=attention), **changes)
    split = Partition()(data)
    model = build(recipe.spec, keras)
    load_imagenet(model, recipe.spec.backbone)
    folder.mkdir()
    run = Run(folder)
    model.save(run.model)
    prior = tuple(lesion_prior(split.train).tolist())
    described = {
        "recipe": asdict(recipe),
        "seed": seed,
        "partition": asdict(Partition()),
        "split_sha256": split.digest(),
        "calibration": asdict(Calibration(0.5, 2.0, prior)),
    }
    run.description.write_text(json.dumps(described))
    return folder
