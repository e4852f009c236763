"""Training on several GPUs of one machine: Keras' own data parallelism, set up once.

Every device holds the whole network and takes a share of each batch. Keras implements this for
JAX.
"""

from __future__ import annotations

import keras

from skinedge.errors import UsageError

__all__ = ["share_batches"]


def share_batches(batch_size: int) -> int:
    """Share batches among all devices from here on; returns how many there are.

    Raises:
        UsageError: the backend is not JAX, or the batch does not divide among the devices.
    """
    backend = keras.backend.backend()
    if backend != "jax":
        raise UsageError(f"--data-parallel works with KERAS_BACKEND=jax, not {backend}")
    devices = keras.distribution.list_devices()
    if batch_size % len(devices):
        raise UsageError(f"a batch of {batch_size} does not divide among {len(devices)} devices")
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    return len(devices)
