"""Latency: the same file against itself is about as fast, and every field is filled."""

from __future__ import annotations

from skinedge.benchmarks.latency import measure
from skinedge.model_file import EMBEDDED


def test_two_copies_are_measured_alike() -> None:
    first, second = measure([EMBEDDED, EMBEDDED], threads=1, runs=15, warm_up=3)
    for result in (first, second):
        assert 0 < result.p5_ms <= result.median_ms <= result.p95_ms
        assert (result.runtime, result.threads, result.runs) == ("litert", 1, 15)
        assert result.partitions == 1
