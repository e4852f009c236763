"""A whole process that loads a model and answers once: its time from nothing, its peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from skinedge.errors import ModelFileError

from .results import Spread
from .timing import spread

__all__ = ["cold_starts"]

# The peak of the process's own memory since it was started: `ru_maxrss` would count that of the
# process that started it too.
_ONCE = """
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
try:
    status = open("/proc/self/status").read()
    print(status.partition("VmHWM:")[2].split()[0])
except (OSError, IndexError):
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak // 1024 if sys.platform == "darwin" else peak)
"""


def _once(name: str, path: Path, threads: int) -> tuple[float, int]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _ONCE, str(path), str(threads)]
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    milliseconds = 1e3 * (time.perf_counter() - start)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ModelFileError(f"{name}: a process of its own cannot run it: {reason}")
    return milliseconds, 1024 * int(done.stdout.split()[-1])


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
