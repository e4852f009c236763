"""Latency: the same file against itself is about as fast, and every field is filled."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from skinedge.benchmarks.command import at_least_one
from skinedge.benchmarks.latency import measure
from skinedge.model_file import EMBEDDED


def test_two_copies_are_measured_alike() -> None:
    first, second = measure([EMBEDDED, EMBEDDED], threads=1, runs=15, warm_up=3)
    for result in (first, second):
        assert 0 < result.p5_ms <= result.median_ms <= result.p95_ms
        assert (result.runtime, result.threads, result.runs) == ("litert", 1, 15)
        assert result.partitions == 1


def test_numbers_of_runs_start_at_one() -> None:
    assert at_least_one("12") == 12
    for text in ("0", "-3", "2.5", "many", ""):
        with pytest.raises(ArgumentTypeError, match="is no number from 1 on"):
            at_least_one(text)
