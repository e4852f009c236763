"""What a classifier answers: frozen values that print, compare and turn into JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Decision", "Label", "Prediction", "Timings"]


@dataclass(frozen=True)
class Label:
    """One diagnosis and its probability, 0 to 1; `malignant` is None if the file does not say."""

    code: str
    name: str
    probability: float
    malignant: bool | None


@dataclass(frozen=True)
class Decision:
    """A score against the threshold that the model file carries for it.

    Attributes:
        target: `mel` or `malignant`.
        score: the probability compared, 0 to 1.
        threshold: the smallest score called positive, 0 to 1.
        sensitivity: the sensitivity the threshold was set for on the validation split, 0 to 1.
        positive: score >= threshold.
    """

    target: str
    score: float
    threshold: float
    sensitivity: float
    positive: bool


@dataclass(frozen=True)
class Timings:
    """Wall-clock milliseconds: decoding and resizing, the network, reading its outputs."""

    preprocess_ms: float
    inference_ms: float
    postprocess_ms: float

    @property
    def total_ms(self) -> float:
        return self.preprocess_ms + self.inference_ms + self.postprocess_ms


@dataclass(frozen=True, eq=False)
class Prediction:
    """One image's answer.

    Attributes:
        source: the path given, or a stand-in such as `<bytes>` or `<array>`.
        labels: every class, most probable first; probabilities sum to 1.
        malignant_probability: summed probability of the malignant classes, or None where the
            model file does not say which they are.
        decisions: one per threshold in the model file, may be empty.
        attention: float32 `[h, w]`, 0 to 1 with maximum 1, or None for a model without a map.
        timings: how long it took.
    """

    source: str
    labels: tuple[Label, ...]
    malignant_probability: float | None
    decisions: tuple[Decision, ...]
    attention: npt.NDArray[np.float32] | None
    timings: Timings

    @property
    def top(self) -> Label:
        """The most probable label."""
        return self.labels[0]

    def to_json(self, top: int | None = None) -> dict[str, Any]:
        """Plain values for `json.dumps`; `top` keeps only so many labels."""
        timings = {**vars(self.timings), "total_ms": self.timings.total_ms}
        attention = None
        if self.attention is not None:
            attention = [[round(float(value), 4) for value in row] for row in self.attention]
        return {
            "source": self.source,
            "labels": [vars(label) for label in self.labels[:top]],
            "malignant_probability": self.malignant_probability,
            "decisions": [vars(decision) for decision in self.decisions],
            "attention": attention,
            "timings": {name: round(value, 3) for name, value in timings.items()},
        }
