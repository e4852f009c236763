"""LiteRT's own tool times the embedded model too; its failure is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from skinedge.benchmarks.against_litert_tool import _by_tool, in_turn
from skinedge.errors import BenchmarkError
from skinedge.model_file import EMBEDDED


def test_both_time_the_embedded_model() -> None:
    [(ours, tool)] = in_turn(EMBEDDED, threads=1, runs=20, rounds=1)
    assert 0.2 < ours / tool < 5  # other work may run beside; idle, it is near 1


def test_a_failing_tool_says_why(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"tool failed: .*none\.tflite"):
        _by_tool(tmp_path / "none.tflite", 1, 1)
