"""Training on several GPUs, of one machine or of several: Keras' own data parallelism, set up once.

Every device holds the whole network and takes a share of each batch. Keras implements this for
JAX.

Several machines run one program in step. Each draws the whole batch and hands over its share, so
that they train what one machine would; each gets all answers on the validation split, so that
all find the same best epoch and stop after the same one. Each writes the files of a run, and
only the first machine's are kept.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np

from skinedge.errors import UsageError

__all__ = [
    "check_alike",
    "joined",
    "measured_by_the_first",
    "own_share",
    "share_batches",
    "whole",
]

PATIENCE = 300.0  # seconds that the others wait for machine 0
JAX_PATIENCE = 300.0  # seconds that JAX then waits for the rest, unless told otherwise


def share_batches(batch_size: int) -> int:
    """Share batches among all devices from here on; returns how many there are.

    Raises:
        UsageError: the backend is not JAX, or the batch does not divide among the devices.
    """
    _require_jax("--data-parallel")
    devices = keras.distribution.list_devices()
    if batch_size % len(devices):
        raise UsageError(f"a batch of {batch_size} does not divide among {len(devices)} devices")
    # Keras shards tf.data alone, and refuses everything else unless told that it is sharded.
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
    )
    return len(devices)


def _require_jax(option: str) -> None:
    backend = keras.backend.backend()
    if backend != "jax":
        raise UsageError(f"{option} works with KERAS_BACKEND=jax, not {backend}")


@contextmanager
def joined(addresses: str, machine: int, out: Path, resume: bool) -> Iterator[Path]:
    """Wait for the other machines and train with them, in a run folder that this yields.

    It is `out` on the first machine. The others have a temporary one, with what a resumed run
    needs of the first one's: no folder need be shared.

    Args:
        addresses: `HOST:PORT` of each machine, with commas between. Only the first one's is
            used: the others find each other through it.
        machine: which of them this one is, from 0.
        out: the run folder.
        resume: whether it goes on with what is in `out`.

    Raises:
        UsageError: the backend is not JAX, the first machine does not answer, or one machine has
            more devices than another.
    """
    _require_jax("--machines")
    seconds = JAX_PATIENCE + (PATIENCE if machine else 0)
    print(
        f"skinedge: machine {machine} waits for the others, up to {seconds / 60:.0f} minutes",
        file=sys.stderr,
    )
    if machine:
        _wait_for(addresses.split(",")[0])
    # Else Keras has all machines add up a random one, on their CPUs and whatever their network.
    keras.utils.set_random_seed(0)
    with _not_in_vain():
        keras.distribution.initialize(addresses, len(addresses.split(",")), machine)
    try:
        _check_devices()
        with nullcontext(out) if machine == 0 else TemporaryDirectory() as folder:
            if resume:
                _copy_from_the_first(Path(folder))
            yield Path(folder)
    except BaseException as error:
        # JAX would wait at exit, for minutes, for machines that wait for this one.
        atexit.register(_leave_at_once, getattr(error, "exit_code", 1))
        raise


def _wait_for(address: str) -> None:
    """Wait until the first machine listens; JAX would end the process by a stack trace."""
    host, _, port = address.rpartition(":")
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
            return
        except (OSError, UnicodeError) as error:  # a name of 64 letters cannot even be encoded
            if time.monotonic() > end or isinstance(error, UnicodeError):
                reason = getattr(error, "strerror", None) or error
                raise UsageError(
                    f"machine 0 did not answer at {address} ({reason}): check that it has been "
                    "started, and that its port is open"
                ) from None
        time.sleep(0.5)


@contextmanager
def _not_in_vain() -> Iterator[None]:
    """Leave shortly before JAX, which would end the process by a stack trace, does."""
    late = threading.Timer(JAX_PATIENCE - 5, _nobody_came)
    late.daemon = True
    late.start()
    try:
        yield
    finally:
        late.cancel()


def _nobody_came() -> None:
    message = "the machines are not complete: check that each has been started with its own number"
    print(f"skinedge: {message}", file=sys.stderr)
    _leave_at_once(UsageError.exit_code)


def _check_devices() -> None:
    import jax

    counts = Counter(device.process_index for device in jax.devices())
    if len(set(counts.values())) > 1:  # JAX and Keras take the machines' shares for equal
        each = ", ".join(str(counts[machine]) for machine in sorted(counts))
        raise UsageError(f"the machines have {each} devices: let all use as many")


def _leave_at_once(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def check_alike(*started_with: object) -> None:
    """Let machines that were joined go on only if all were given the same.

    Raises:
        UsageError: they were not; on every machine.
    """
    from jax.experimental.multihost_utils import process_allgather

    digest = hashlib.sha256(repr(started_with).encode()).digest()
    digests = process_allgather(np.frombuffer(digest, np.uint8))
    if (digests != digests[0]).any():
        raise UsageError(
            "the machines disagree: start all with the same data and options, --machine excepted"
        )


def _from_the_first(content: bytes) -> bytes:
    """What the first machine calls this with, on every machine."""
    import jax
    from jax.experimental.multihost_utils import broadcast_one_to_all

    size = int(broadcast_one_to_all(np.int32(len(content))))
    sent = np.frombuffer(content, np.uint8) if jax.process_index() == 0 else np.zeros(size, "u1")
    return np.asarray(broadcast_one_to_all(sent)).tobytes()


def _copy_from_the_first(folder: Path) -> None:
    """What a resumed run reads of its run folder."""
    import jax

    found = (*folder.glob("*.json"), *folder.glob("*.csv"), *folder.glob("checkpoints/**/*"))
    names = [str(path.relative_to(folder)) for path in found if path.is_file()]
    for name in json.loads(_from_the_first(json.dumps(names).encode())):
        file = folder / name
        if jax.process_index() == 0:
            _from_the_first(file.read_bytes())
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(_from_the_first(b""))


def _place() -> tuple[int, int]:
    """Which machine this is, and of how many."""
    if keras.distribution.distribution() is None:
        return 0, 1
    import jax  # no other backend has a distribution here

    return jax.process_index(), jax.process_count()


def measured_by_the_first(figures: Mapping[str, float]) -> dict[str, float]:
    """The first machine's figures: another processor may have other last digits, and decide
    otherwise on what all must do together."""
    if _place()[1] == 1:
        return dict(figures)
    values = np.array(list(figures.values()), np.float64)
    return dict(
        zip(figures, np.frombuffer(_from_the_first(values.tobytes())).tolist(), strict=True)
    )


class _OwnShare(keras.utils.PyDataset):
    """This machine's rows of each batch."""

    def __init__(self, batches: keras.utils.PyDataset) -> None:
        super().__init__(workers=batches.workers, max_queue_size=batches.max_queue_size)
        self._batches = batches
        # Not when asked for a batch: in the threads that load them Keras knows no distribution.
        self._machine, self._machines = _place()

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, step: int) -> Any:
        return keras.tree.map_structure(
            lambda rows: np.split(rows, self._machines)[self._machine], self._batches[step]
        )


def own_share(batches: keras.utils.PyDataset) -> keras.utils.PyDataset:
    """The part of each batch that this machine hands to its devices; on one machine, all of it."""
    return batches if _place()[1] == 1 else _OwnShare(batches)


class _Whole(keras.Model):
    """Each machine predicts its share of a batch, and gets all answers."""

    def predict(self, x: np.ndarray, batch_size: int, **options: Any) -> Any:
        """`x` must be whole batches, and those divide among the machines."""
        machine, machines = _place()
        share = batch_size // machines
        by_machine = x.reshape(-1, machines, share, *x.shape[1:])
        own = by_machine[:, machine].reshape(-1, *x.shape[1:])
        return super().predict(own, batch_size=share, **options)


def whole(model: Any) -> Any:
    """A functional model with the same weights, whose answers every machine has whole.

    As Keras leaves it, each machine would hold the answers of its own devices, and `predict`
    would fail at reading the others'. On one machine it is the model itself.
    """
    if _place()[1] == 1:
        return model
    mesh = keras.distribution.distribution().device_mesh

    def everywhere(answers: Any) -> Any:
        layout = keras.distribution.TensorLayout([None] * len(answers.shape), mesh)
        return keras.distribution.distribute_tensor(answers, layout)

    return _Whole(model.inputs, [keras.layers.Lambda(everywhere)(o) for o in model.outputs])
