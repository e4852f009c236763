"""The public API: load a model once, predict many times.

>>> from skinedge import Classifier
>>> classifier = Classifier.load()                      # the embedded model
>>> classifier.predict("lesion.jpg").top.code           # doctest: +SKIP
'nv'
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from .errors import ImageError, ModelFileError
from .image import read, to_input
from .model_file import ModelFile, read_model
from .prediction import Decision, Label, Prediction, Timings
from .runtime import Network, Runtime

__all__ = ["Classifier", "Image"]

Image = Union[str, "os.PathLike[str]", bytes, npt.NDArray[np.uint8]]


def _name(image: Image) -> str:
    if isinstance(image, bytes):
        return "<bytes>"
    return "<array>" if isinstance(image, np.ndarray) else os.fspath(image)


class Classifier:
    """A model file ready to predict. Not thread-safe: give each thread its own.

    Attributes:
        file: the model file, with labels and card.
        network: the loaded interpreter.
    """

    def __init__(self, file: ModelFile, network: Network) -> None:
        if network.classes < 2:
            raise ModelFileError(
                f"{file.path}: returns a single number; a classifier has two classes or more, "
                "and ends with a softmax over them"
            )
        if network.classes != len(file.labels):
            raise ModelFileError(
                f"{file.path}: returns {network.classes} classes but {len(file.labels)} labels "
                "were given; the labels must be this model's, one a line"
            )
        self.file = file
        self.network = network
        self._malignant = np.array([label.malignant is True for label in file.labels])
        given = (file.card or {}).get("input", {})
        self._scale, self._zero = given.get("scale", 1 / 128), given.get("zero", 127)
        self._says_malignant = all(label.malignant is not None for label in file.labels)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        labels: str | os.PathLike[str] | None = None,
        threads: int | None = None,
        runtime: Runtime = "auto",
    ) -> Classifier:
        """Load a model.

        Args:
            path: a `.tflite`; None for the embedded default model.
            labels: a text file, one label a line, for a model without `skinedge.json`.
            threads: interpreter threads; None for all cores up to four.
            runtime: `auto` means the environment variable SKINEDGE_RUNTIME, or else LiteRT
                where it works.

        Raises:
            ModelFileError: the file is missing, damaged, or not an image classifier.
            RuntimeMissingError: no interpreter works in this Python.
        """
        file = read_model(path, labels)
        return cls(file, Network(file.content, str(file.path), threads, runtime))

    def predict(self, image: Image, name: str | None = None) -> Prediction:
        """Predict one image.

        Args:
            image: a path, an encoded image, or RGB uint8 `[height, width, 3]`.
            name: what `Prediction.source` and errors call it.

        Raises:
            ImageError: the image cannot be read.
            ModelFileError: the model's outputs are no probabilities.
        """
        start = time.perf_counter()
        pixels = to_input(read(image, name), self.network.height, self.network.width)
        prepared = time.perf_counter()
        outputs = self.network.run(pixels, self._scale, self._zero)
        ran = time.perf_counter()
        probabilities, attention = self._heads(outputs)
        labels = self._ranked(probabilities)
        malignant = float(probabilities[self._malignant].sum()) if self._says_malignant else None
        decisions = self._decide(probabilities, malignant)
        end = time.perf_counter()
        return Prediction(
            source=name or _name(image),
            labels=labels,
            malignant_probability=malignant,
            decisions=decisions,
            attention=attention,
            timings=Timings(*(1e3 * s for s in (prepared - start, ran - prepared, end - ran))),
        )

    def predict_many(
        self,
        images: Iterable[Image],
        on_error: Callable[[Image, ImageError], None] | None = None,
    ) -> Iterator[Prediction]:
        """Predict each image, lazily and in order.

        Args:
            images: as for `predict`.
            on_error: called for an image that cannot be read, which is then skipped; without
                it the error is raised.
        """
        for image in images:
            try:
                yield self.predict(image)
            except ImageError as error:
                if on_error is None:
                    raise
                on_error(image, error)

    def _heads(
        self, outputs: list[npt.NDArray[np.float32]]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32] | None]:
        probabilities = self._probabilities(outputs[0])
        shape = self.file.map_shape
        if shape is None or len(outputs) < 2:
            return probabilities, None
        attention = outputs[1].reshape(shape)
        return probabilities, attention / max(float(attention.max()), 1e-12)

    def _probabilities(self, output: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        # Each may be half a step off, so that quantized ones can miss a sum of 1 by a little.
        rounding = self.network.quantization[0][0] / 2
        least, total = float(output.min()), float(output.sum())
        # Written so that a NaN fails it.
        if not (least >= -rounding and abs(total - 1) <= 0.02 + output.size * rounding):
            raise ModelFileError(
                f"{self.file.path}: outputs are no probabilities (they sum to {total:.3g}, the "
                f"least is {least:.3g}); end the model with a softmax"
            )
        probabilities = np.maximum(output, 0).astype(np.float64)
        probabilities /= probabilities.sum()
        return probabilities

    def _ranked(self, probabilities: npt.NDArray[np.float64]) -> tuple[Label, ...]:
        order = np.argsort(-probabilities, kind="stable")
        classes = self.file.labels
        return tuple(
            Label(classes[i].code, classes[i].name, float(probabilities[i]), classes[i].malignant)
            for i in order
        )

    def _decide(
        self, probabilities: npt.NDArray[np.float64], malignant: float | None
    ) -> tuple[Decision, ...]:
        card: dict[str, Any] = self.file.card or {}
        scores = {
            label.code: float(p) for label, p in zip(self.file.labels, probabilities, strict=True)
        }
        if malignant is not None:
            scores["malignant"] = malignant
        return tuple(
            Decision(
                target=rule["target"],
                score=scores[rule["target"]],
                threshold=rule["threshold"],
                sensitivity=rule["sensitivity"],
                positive=scores[rule["target"]] >= rule["threshold"],
            )
            for rule in card.get("thresholds", [])
        )
