"""Images on disk -> arrays for the network, by the geometry the device uses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np

from skinedge.cores import usable_cores
from skinedge.errors import ImageError
from skinedge.image import read, to_input

from .augment import augment
from .datasets.images import LabelledImage, LabelledImages
from .mix import mix
from .recipes.recipe import Recipe
from .zoo.spec import PIXEL_SCALE, PIXEL_ZERO

__all__ = [
    "TrainingBatches",
    "draw_probabilities",
    "lesion_prior",
    "load_pixels",
    "load_readable",
    "normalise",
    "sampled_prior",
]


def load_pixels(images: Sequence[LabelledImage], size: int) -> np.ndarray:
    """The sharpest copy of each image, prepared as the device does: uint8 `[n, size, size, 3]`."""
    pixels = np.empty((len(images), size, size, 3), np.uint8)
    for row, image in zip(pixels, images, strict=True):
        row[:] = to_input(read(image.sharpest), size, size)
    return pixels


def load_readable(
    images: Sequence[LabelledImage], size: int
) -> tuple[np.ndarray, list[LabelledImage], list[str]]:
    """`load_pixels` of the images that can be read, these images, and a line for each other."""
    rows, readable, unreadable = [], [], []
    for image in images:
        try:
            rows.append(load_pixels([image], size))
        except ImageError as error:
            unreadable.append(str(error))
        else:
            readable.append(image)
    return np.concatenate([load_pixels([], size), *rows]), readable, unreadable


def normalise(pixels: np.ndarray) -> np.ndarray:
    """uint8 pixels -> the network's float32 input in about [-1, 1]."""
    return (pixels.astype(np.float32) - PIXEL_ZERO) * np.float32(PIXEL_SCALE)


def _lesions(data: LabelledImages) -> tuple[list[list[LabelledImage]], np.ndarray]:
    """Images by lesion, and the label of each lesion.

    Where the set keeps patients together, which lesion an image shows is not known: each image
    is one of its own.
    """
    if data.group != "lesion":
        return [[image] for image in data.images], data.labels()
    by_lesion: dict[tuple[str, int], list[LabelledImage]] = {}
    for image in data.images:
        by_lesion.setdefault((image.lesion_id, image.label), []).append(image)
    lesions = list(by_lesion.values())
    return lesions, np.array([images[0].label for images in lesions])


def sampled_prior(labels: np.ndarray, classes: int, power: float) -> np.ndarray:
    """Share of each class among draws proportional to count ** power; float64, sums to 1.

    Classes without a lesion get the share of one lesion, so that logarithms stay finite.
    """
    weights = np.maximum(np.bincount(labels, minlength=classes), 1) ** power
    return weights / weights.sum()


def lesion_prior(data: LabelledImages) -> np.ndarray:
    """Natural share of each class among the lesions of a set; float64, sums to 1.

    Among its images where the set keeps patients together.
    """
    return sampled_prior(_lesions(data)[1], len(data.classes), power=1.0)


def draw_probabilities(labels: np.ndarray, classes: int, power: float) -> np.ndarray:
    """Probability of drawing each lesion so that classes follow `sampled_prior`; sums to 1."""
    counts = np.bincount(labels, minlength=classes)
    weights = (sampled_prior(labels, classes, power) / np.maximum(counts, 1))[labels]
    return weights / weights.sum()


class TrainingBatches(keras.utils.PyDataset):
    """Random augmented batches: (float32 `[b, size, size, 3]`, class shares `[b, classes]`).

    Shares are one-hot unless the recipe mixes images.

    A lesion is drawn first, then one of its images; where the set keeps patients together, an
    image. With probability `recipe.sharp_share` that
    is its sharp copy, if it has one. Every class has sharp copies of the same share of lesions,
    so sharpness says nothing about the class (drawing images instead would: classes differ in
    how many extra, never sharp, images their lesions have).

    Attributes:
        prior: share of each class among the draws, float64 `[classes]`, sums to 1.
        counts: lesions of each class, int64 `[classes]`; images where the set keeps patients
            together.
        outputs: names of the outputs that each want the shares; none, the only one does.
        failure: why an image could not be read: Keras may pass on no more than that one could not.

    Batch content depends on seed, stage, size, epoch and step alone: set `epoch` before each one.

    Args:
        workers: threads that read and vary images; None is one for each usable core, at most 16.
        stage: number of the stage: two of one size draw others.
    """

    def __init__(
        self,
        data: LabelledImages,
        recipe: Recipe,
        size: int,
        seed: int,
        workers: int | None = None,
        stage: int = 0,
    ) -> None:
        threads = workers or min(16, usable_cores())
        super().__init__(workers=threads, use_multiprocessing=False, max_queue_size=threads + 2)
        # One thread per worker: OpenCV's own pool would fight TensorFlow's for the cores.
        cv2.setNumThreads(1)
        self.recipe, self.size, self.seed, self.stage = recipe, size, seed, stage
        self.classes = len(data.classes)
        self.epoch = 0
        self._lesions, self._labels = _lesions(data)
        self._probabilities = draw_probabilities(self._labels, self.classes, recipe.sampling_power)
        self.prior = sampled_prior(self._labels, self.classes, recipe.sampling_power)
        self.counts = np.bincount(self._labels, minlength=self.classes)
        self.outputs: tuple[str, ...] = ()
        self.failure: ImageError | None = None
        self._images = recipe.images_per_epoch or len(data.images)

    def __len__(self) -> int:
        return max(1, self._images // self.recipe.batch_size)

    def __getitem__(self, step: int) -> tuple[np.ndarray, Any]:
        rng = np.random.default_rng((self.seed, self.stage, self.size, self.epoch, step))
        count = self.recipe.batch_size
        chosen = rng.choice(len(self._lesions), count, p=self._probabilities)
        views = np.empty((count, self.size, self.size, 3), np.uint8)
        for view, lesion in zip(views, chosen, strict=True):
            try:
                # `augment` averages what is twice the view's size or more down to 1.5 times it.
                rgb = read(self._pick(self._lesions[lesion], rng), least_side=2 * self.size)
            except ImageError as error:
                self.failure = error
                raise
            view[:] = augment(rgb, self.size, self.recipe.augmentation, rng)
        one_hot = np.eye(self.classes, dtype=np.float32)[self._labels[chosen]]
        views, shares = mix(views, one_hot, self.recipe.mixing, rng)
        return normalise(views), dict.fromkeys(self.outputs, shares) or shares

    def _pick(self, images: list[LabelledImage], rng: np.random.Generator) -> Path:
        sharp = [image.sharp for image in images if image.sharp]
        if sharp and rng.random() < self.recipe.sharp_share:
            return sharp[rng.integers(len(sharp))]
        return images[rng.integers(len(images))].path
