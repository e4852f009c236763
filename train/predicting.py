"""Ask a Keras model about many images, on one device or several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import keras
import numpy as np

__all__ = ["in_parts", "outputs_of"]

PART = 4  # batches: at 384 pixels 32 images are 57 MB, and some 50,000 are evaluated

_Some = TypeVar("_Some", bound="Sequence[Any] | np.ndarray")


def in_parts(images: _Some, batch_size: int = 32) -> Iterator[_Some]:
    """A few batches at a time, so that only they need be in memory as float32."""
    step = PART * batch_size
    for start in range(0, len(images), step):
        yield images[start : start + step]


def outputs_of(
    model: Any,
    inputs: Sequence[Any] | np.ndarray,
    batch_size: int = 32,
    prepare: Callable[[Any], np.ndarray] = np.asarray,
) -> list[np.ndarray]:
    """Every output of a model, as a list even where there is one; `[n, ...]` each.

    Args:
        model: any Keras model.
        inputs: `n` of them, at least one.
        batch_size: of prediction.
        prepare: makes float32 `[m, ...]` of `m` of the inputs, a few batches at a time.
    """
    parts = [_outputs(model, prepare(part), batch_size) for part in in_parts(inputs, batch_size)]
    return [np.concatenate(of_parts) for of_parts in zip(*parts, strict=True)]


def _outputs(model: Any, inputs: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """The last batch is filled up and cut again: data parallelism divides batches among devices."""
    distribution = keras.distribution.distribution()
    if distribution is not None:
        batch_size += -batch_size % distribution.device_mesh.devices.size
    missing = -len(inputs) % batch_size
    filled = np.concatenate([inputs, np.repeat(inputs[-1:], missing, axis=0)])
    outputs = model.predict(filled, batch_size=batch_size, verbose=0)
    listed = outputs if isinstance(outputs, list) else [outputs]
    return [np.asarray(output)[: len(inputs)] for output in listed]
