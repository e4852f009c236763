"""Ask a Keras model about many images, on one device or several."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

__all__ = ["outputs_of"]


def outputs_of(model: Any, inputs: np.ndarray, batch_size: int = 32) -> list[np.ndarray]:
    """Every output of a model, as a list even where there is one; `[n, ...]` each.

    The last batch is filled up and cut again: data parallelism divides batches among devices.
    """
    distribution = keras.distribution.distribution()
    if distribution is not None:
        batch_size += -batch_size % distribution.device_mesh.devices.size
    missing = -len(inputs) % batch_size
    filled = np.concatenate([inputs, np.repeat(inputs[-1:], missing, axis=0)])
    outputs = model.predict(filled, batch_size=batch_size, verbose=0)
    listed = outputs if isinstance(outputs, list) else [outputs]
    return [np.asarray(output)[: len(inputs)] for output in listed]
