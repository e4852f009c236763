"""A whole process that loads a model and answers once: its time from nothing, its peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
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


def _once(path: Path, threads: int) -> tuple[float, int]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _ONCE, str(path), str(threads)]
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    milliseconds = 1e3 * (time.perf_counter() - start)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ModelFileError(f"{path}: a process of its own cannot run it: {reason}")
    return milliseconds, 1024 * int(done.stdout.split()[-1])


def cold_starts(paths: Sequence[Path], threads: int, runs: int) -> list[tuple[Spread, int]]:
    """Start, load, answer one black image, end: in turn, after one untimed round.

    Args:
        paths: `.tflite` files.
        threads: interpreter threads.
        runs: timed rounds.

    Returns:
        For each file: the time, and the median of the peak memory, bytes.

    Raises:
        ModelFileError: a file cannot be run.
    """
    rounds = [[_once(path, threads) for path in paths] for _ in range(runs + 1)][1:]
    found = []
    for costs in zip(*rounds, strict=True):
        times, peaks = np.array(costs).T
        found.append((spread(list(times)), int(np.median(peaks))))
    return found
