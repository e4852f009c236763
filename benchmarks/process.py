"""A whole process that loads a model and answers once: its time from nothing, its peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from skinedge.errors import ModelFileError

from .results import Spread
from .timing import spread

__all__ = ["cold_starts", "keras_peak"]

# The peak of the process's own memory since it was started: `ru_maxrss` would count that of the
# process that started it too.
_PEAK = """
try:
    status = open("/proc/self/status").read()
    print(status.partition("VmHWM:")[2].split()[0])
except (OSError, IndexError):
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak // 1024 if sys.platform == "darwin" else peak)
"""
_ONCE = f"""
import sys
import numpy as np
from skinedge.classifier import Classifier
from skinedge.errors import ModelFileError
from skinedge.runtime import Network
path, threads = sys.argv[1], int(sys.argv[2])
try:
    Classifier.load(path, threads=threads).predict(np.zeros((450, 600, 3), np.uint8))
except ModelFileError:  # without a card
    network = Network(open(path, "rb").read(), path, threads)
    network.run(np.zeros((network.height, network.width, 3), np.uint8))
{_PEAK}"""
_KERAS_ONCE = f"""
import sys
import numpy as np
from skinedge.benchmarks.keras_model import open_model
model = open_model(sys.argv[1], int(sys.argv[2]))
model.run(np.zeros((model.height, model.width, 3), np.uint8))
{_PEAK}"""


def _once(name: str, path: Path, threads: int) -> tuple[float, int]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _ONCE, str(path), str(threads)]
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    milliseconds = 1e3 * (time.perf_counter() - start)
    return milliseconds, _peak(name, done.returncode, done.stdout, done.stderr)


def _peak(name: str, status: int, output: str, errors: str) -> int:
    """Bytes, as a process that has ended said."""
    if status:
        reason = (errors.strip().splitlines() or ["it said nothing"])[-1]
        raise ModelFileError(f"{name}: a process of its own cannot run it: {reason}")
    return 1024 * int(output.split()[-1])


def cold_starts(
    models: Mapping[str, bytes], threads: int, runs: int
) -> dict[str, tuple[Spread, int]]:
    """Start, load, answer one black image, end: in turn, after one untimed round.

    Args:
        models: `.tflite` files by name.
        threads: interpreter threads.
        runs: timed rounds.

    Returns:
        For each name: the time, and the median of the peak memory, bytes.

    Raises:
        ModelFileError: a file cannot be run.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{n}.tflite" for n, name in enumerate(models)}
        for name, path in paths.items():
            path.write_bytes(models[name])
        rounds = [[_once(*one, threads) for one in paths.items()] for _ in range(runs + 1)][1:]
    found = {}
    for name, costs in zip(models, zip(*rounds, strict=True), strict=True):
        times, peaks = np.array(costs).T
        found[name] = spread(list(times)), int(np.median(peaks))
    return found


@contextmanager
def keras_peak(source: str, seed: int) -> Iterator[Callable[[], int]]:
    """Start a process that opens a Keras model and answers one black image, beside other work.

    Args:
        source, seed: as for `keras_model.open_model`.

    Yields:
        A function that waits for its end and returns its peak memory, bytes; it raises
        ModelFileError where the process failed.
    """
    command = [sys.executable, "-c", _KERAS_ONCE, source, str(seed)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:

        def peak() -> int:
            output, errors = process.communicate()
            return _peak(source, process.returncode, output, errors)

        try:
            yield peak
        finally:
            process.kill()
