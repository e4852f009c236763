"""Training on several GPUs or machines: Keras' own data parallelism, set up once.

Every device holds the whole network and takes a share of each batch. Keras implements this for
JAX. For several machines start the same command on each, with
`KERAS_DISTRIBUTION_JOB_ADDRESSES`, `KERAS_DISTRIBUTION_NUM_PROCESSES` and
`KERAS_DISTRIBUTION_PROCESS_ID` set.
"""

from __future__ import annotations

import os

import keras

from skinedge.errors import UsageError

__all__ = ["share_batches"]

ADDRESSES = "KERAS_DISTRIBUTION_JOB_ADDRESSES"


def share_batches() -> int:
    """Share batches among all devices from here on; returns how many there are.

    Raises:
        UsageError: the backend is not JAX.
    """
    if keras.backend.backend() != "jax":
        raise UsageError(
            f"--data-parallel works with KERAS_BACKEND=jax, not {keras.backend.backend()}"
        )
    if os.environ.get(ADDRESSES):
        keras.distribution.initialize()
    devices = keras.distribution.list_devices()
    # Every process draws the same batch from the same seed; Keras takes each one's share of it.
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    return len(devices)
