"""How closely a compressed model follows the float one: its answers, and where it looks.

Accuracy alone does not tell: an int16x8 model of the pilot kept its accuracy while its map
correlated 0.008 with the float one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

__all__ = ["TOP_AREA", "Fidelity", "Said", "fidelity", "map_correlations", "map_overlaps"]

# Of the picture: what a person sees as "where it looks".
TOP_AREA = 0.2


class Said(Protocol):
    """What a model said of n images: `train.answers.Answers`, `heads.Heads`."""

    @property
    def probabilities(self) -> np.ndarray:
        """float `[n, classes]`."""

    @property
    def attention(self) -> np.ndarray | None:
        """float `[n, ...]`; None without a map."""


@dataclass(frozen=True)
class Fidelity:
    """Means over images.

    Attributes:
        agreement: share of images on which both name the same class, 0 to 1.
        divergence: KL(float || compressed) of the probabilities, nats.
        attention_correlation: Pearson's, of the two maps, -1 to 1; NaN without two maps of one
            size.
        attention_overlap: see `map_overlaps`, 0 to 1; NaN as well.
    """

    agreement: float
    divergence: float
    attention_correlation: float
    attention_overlap: float


def map_correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson's correlation of maps `[n, ...]`, image by image; 0 where a map is constant."""
    flat = [maps.reshape(len(maps), -1).astype(np.float64) for maps in (one, other)]
    a, b = (maps - maps.mean(axis=1, keepdims=True) for maps in flat)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.divide((a * b).sum(axis=1), lengths, out=np.zeros(len(a)), where=lengths > 0)


def map_overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Share of the positions in one map's top 20 % that are in the other's, image by image.

    Equal values, of which int8 maps have many, are told apart by position: alike in both maps.
    By chance it is 0.2.
    """
    flat = [maps.reshape(len(maps), -1) for maps in (one, other)]
    count = math.ceil(TOP_AREA * flat[0].shape[1])
    a, b = (np.argsort(-maps, axis=1, kind="stable")[:, :count] for maps in flat)
    return np.array([len(np.intersect1d(x, y)) / count for x, y in zip(a, b, strict=True)])


def fidelity(full: Said, compressed: Said) -> Fidelity:
    """Compare the answers of the float model and of the compressed one to the same images."""
    p, q = (np.maximum(answers.probabilities, 1e-6) for answers in (full, compressed))
    same = full.probabilities.argmax(axis=1) == compressed.probabilities.argmax(axis=1)
    correlation = overlap = float("nan")
    maps = full.attention, compressed.attention
    if maps[0] is not None and maps[1] is not None and maps[0].shape == maps[1].shape:
        correlation = float(map_correlations(*maps).mean())
        overlap = float(map_overlaps(*maps).mean())
    divergence = float((p * np.log(p / q)).sum(axis=1).mean())
    return Fidelity(float(same.mean()), divergence, correlation, overlap)
