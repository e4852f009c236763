"""Median inference latency of several model files, interleaved so that drift hits all alike.

    python -m skinedge.benchmarks.latency edge.tflite edge-float32.tflite --threads 1

Prints one line per file: median, 5th and 95th percentile, ratio to the last file, delegate
partitions. Ratios of one run compare; milliseconds of different runs or machines do not.
"""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from skinedge.benchmarks.command import as_command, at_least_one
from skinedge.benchmarks.timing import interleaved, spread
from skinedge.runtime import Network

__all__ = ["Latency", "measure"]


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one model's inference, batch 1, without pre- and post-processing."""

    model: str
    runtime: str
    threads: int
    partitions: int
    runs: int
    median_ms: float
    p5_ms: float
    p95_ms: float


def measure(paths: list[Path], threads: int, runs: int, warm_up: int = 20) -> list[Latency]:
    """Time each file `runs` times, one after the other in turn.

    Args:
        paths: `.tflite` files with one image input.
        threads: interpreter threads.
        runs: timed runs of each file.
        warm_up: untimed runs of each file before.
    """
    networks = [Network(path.read_bytes(), str(path), threads) for path in paths]
    rng = np.random.default_rng(0)
    inputs = [rng.integers(0, 256, (n.height, n.width, 3), np.uint8) for n in networks]
    calls = [partial(n.run, pixels) for n, pixels in zip(networks, inputs, strict=True)]
    timed = interleaved(calls, [runs] * len(calls), warm_up)
    return [
        Latency(
            str(path),
            network.runtime,
            threads,
            network.delegate_partitions(),
            runs,
            found.median,
            found.p5,
            found.p95,
        )
        for path, network, found in zip(
            paths, networks, (spread(each.ms) for each in timed), strict=True
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+", help=".tflite files; ratios to the last")
    parser.add_argument("--threads", type=at_least_one, default=1)
    parser.add_argument("--runs", type=at_least_one, default=300)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = measure(arguments.models, arguments.threads, arguments.runs)
    if arguments.json:
        print(json.dumps([vars(result) for result in results]))
        return
    print(f"{platform.machine()}, {arguments.threads} thread(s), {arguments.runs} runs each")
    for result in results:
        ratio = result.median_ms / results[-1].median_ms
        print(
            f"{result.model}: median {result.median_ms:.2f} ms "
            f"(p5 {result.p5_ms:.2f}, p95 {result.p95_ms:.2f}), "
            f"{ratio:.2f} x the last, {result.partitions} delegate partition(s)"
        )


if __name__ == "__main__":
    as_command(main)
