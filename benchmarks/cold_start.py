"""What a whole `skinedge predict` costs as a process, beside importing what it stands on.

    python -m skinedge.benchmarks.cold_start lesion.jpg

Compares, in turn, a bare Python that imports numpy, OpenCV and the interpreter with
`skinedge predict IMAGE`, and reports medians, their ratio and the peak memory of the latter.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

from skinedge.benchmarks.command import as_command

__all__ = ["Cost", "cold_start", "spawn"]

BARE = "import numpy, cv2, ai_edge_litert.interpreter"
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}


class Cost:
    """Seconds and peak resident MiB of one finished process."""

    def __init__(self, seconds: float, peak_mib: float) -> None:
        self.seconds, self.peak_mib = seconds, peak_mib


def spawn(command: list[str], environment: dict[str, str] | None = None) -> Cost:
    """Run a command to its end with its output discarded, with variables added if given.

    Linux counts a child's memory from the size of the process that starts it: call this from a
    small one, as `main` is.

    Raises:
        RuntimeError: it exited with anything but 0.
    """
    null = os.open(os.devnull, os.O_WRONLY)
    start = time.perf_counter()
    actions = [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
    pid = os.posix_spawn(
        command[0], command, {**os.environ, **(environment or {})}, file_actions=actions
    )
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    os.close(null)
    if status:
        raise RuntimeError(f"{' '.join(command)}: exit status {os.waitstatus_to_exitcode(status)}")
    # Linux counts ru_maxrss in KiB, macOS in bytes.
    return Cost(seconds, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))


def cold_start(image: Path, runs: int) -> dict[str, float]:
    """Medians over `runs` interleaved rounds of processes, after one untimed round.

    The imports are timed as they are, and with OPENBLAS_NUM_THREADS=1, which `skinedge` sets for
    itself: numpy then starts faster, so the first ratio alone would flatter.
    """
    bare = [sys.executable, "-c", BARE]
    predict = [str(Path(sys.executable).with_name("skinedge")), "predict", str(image)]
    rounds = [(spawn(bare), spawn(bare, ONE_THREAD), spawn(predict)) for _ in range(runs + 1)]
    bare_ms, tuned_ms, predict_ms = (
        1e3 * statistics.median(cost.seconds for cost in costs)
        for costs in zip(*rounds[1:], strict=True)
    )
    return {
        "runs": runs,
        "bare_import_ms": bare_ms,
        "tuned_import_ms": tuned_ms,
        "predict_ms": predict_ms,
        "ratio": predict_ms / bare_ms,
        "ratio_to_tuned": predict_ms / tuned_ms,
        "predict_peak_mib": statistics.median(costs[-1].peak_mib for costs in rounds[1:]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("image", type=Path)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = cold_start(arguments.image, arguments.runs)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"skinedge predict            {result['predict_ms']:7.1f} ms")
    print(
        f"bare imports                {result['bare_import_ms']:7.1f} ms ({result['ratio']:.2f} x)"
    )
    print(
        f"  OPENBLAS_NUM_THREADS=1    {result['tuned_import_ms']:7.1f} ms "
        f"({result['ratio_to_tuned']:.2f} x)"
    )
    print(f"peak memory of predict      {result['predict_peak_mib']:7.1f} MiB")


if __name__ == "__main__":
    as_command(main)
