"""Our timing of a model beside LiteRT's own benchmark tool, in turn, on the same file.

    python -m skinedge.benchmarks.against_litert_tool edge.tflite --threads 2

Prints the medians of each round, and the ratio of the medians of all rounds, ours to LiteRT's. The
tool runs the compiled model on buffers that stay where they are; ours sets the input and reads the
outputs too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from skinedge.benchmarks.command import as_command, at_least_one
from skinedge.benchmarks.latency import measure
from skinedge.errors import BenchmarkError
from skinedge.model_file import EMBEDDED

__all__ = ["in_turn"]

WARM_UP = 20


def _by_tool(model: Path, threads: int, runs: int) -> float:
    """Median milliseconds by `ai_edge_litert.tools.benchmark_litert_model`, to a hundredth."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        numbers = {"num_threads": threads, "num_runs": runs, "warmup_runs": WARM_UP}
        options = {"model": model, **numbers, "result_json": result}
        command = [sys.executable, "-m", "ai_edge_litert.tools.benchmark_litert_model"]
        command += [f"--{name}={value}" for name, value in options.items()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not result.is_file():
            said = (done.stderr.strip().splitlines() or ["it did not say why"])[-1]
            raise BenchmarkError(f"LiteRT's benchmark tool failed: {said}")
        return float(json.loads(result.read_text(encoding="utf-8"))["latency"]["median_ms"])


def in_turn(model: Path, threads: int, runs: int, rounds: int) -> list[tuple[float, float]]:
    """Median milliseconds of one inference, ours and the tool's, for each round.

    Args:
        model: a `.tflite` with one image input.
        threads: of both.
        runs: timed ones of each in each round, after 20 that are not timed.
        rounds: of one after the other.

    Raises:
        ModelFileError: the file is no such model.
        BenchmarkError: the tool failed, or LiteRT has none.
    """
    return [
        (measure([model], threads, runs, WARM_UP)[0].median_ms, _by_tool(model, threads, runs))
        for _ in range(rounds)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?", default=EMBEDDED)
    parser.add_argument("--threads", type=at_least_one, default=1)
    parser.add_argument("--runs", type=at_least_one, default=300)
    parser.add_argument("--rounds", type=at_least_one, default=5)
    arguments = parser.parse_args()
    found = in_turn(arguments.model, arguments.threads, arguments.runs, arguments.rounds)
    for ours, tool in found:
        print(f"ours {ours:.2f} ms, LiteRT's tool {tool:.2f} ms")
    ours, tool = (statistics.median(medians) for medians in zip(*found, strict=True))
    print(f"{arguments.model.name}, {arguments.threads} thread(s): ours / tool {ours / tool:.3f}")


if __name__ == "__main__":
    as_command(main)
