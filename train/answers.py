"""What a model said of a labelled set: one value that every figure and plot starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import compress

import numpy as np

from .datasets.images import LabelledImage

__all__ = ["Answers", "targets"]


@dataclass(frozen=True)
class Answers:
    """What a model said of a labelled set, in the set's order.

    Attributes:
        classes: the model's class codes, in column order.
        labels: int64 `[n]`, indices into `classes`.
        probabilities: float64 `[n, classes]`, rows sum to 1.
        malignant: bool `[classes]`.
        attention: float32 `[n, h, w]`, each map's maximum 1, or None.
        unreadable: one line for each image that could not be read; these are left out above.
        images: the `n` images answered; empty where they are not known, and then there are no
            figures by lesion, by group or by mask.
    """

    classes: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    malignant: np.ndarray
    attention: np.ndarray | None
    unreadable: tuple[str, ...]
    images: tuple[LabelledImage, ...] = ()

    def lesions(self) -> np.ndarray:
        """str `[n]`: which lesion each image shows; unknown images show one each."""
        if not self.images:
            return np.arange(len(self.labels)).astype(str)
        return np.array([image.lesion_id for image in self.images])

    def having(self, which: np.ndarray) -> Answers:
        """The answers for which bool `[n]` is True."""
        return replace(
            self,
            labels=self.labels[which],
            probabilities=self.probabilities[which],
            attention=None if self.attention is None else self.attention[which],
            images=tuple(compress(self.images, which)),
        )


def targets(answers: Answers) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The binary questions asked of a model: name -> (positive bool `[n]`, score `[n]`).

    `mel` where the classes have it, `malignant` where the model says which classes are, and `sk`,
    the second question of ISIC 2017, where the classes have that.
    """

    def one_class(code: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        if code not in answers.classes:
            return {}
        index = answers.classes.index(code)
        return {code: (answers.labels == index, answers.probabilities[:, index])}

    asked = one_class("mel")
    if answers.malignant.any():
        scores = answers.probabilities[:, answers.malignant].sum(axis=1)
        asked["malignant"] = (answers.malignant[answers.labels], scores)
    return asked | one_class("sk")
