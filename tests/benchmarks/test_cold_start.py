"""Cold start: whole processes, timed and weighed; a failing one is an error, not a figure."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from draw_lesion import main as draw_main

from skinedge.benchmarks.cold_start import spawn


def test_both_processes_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = tmp_path / "lesion.png"
    monkeypatch.setattr(sys, "argv", ["draw_lesion.py", str(picture)])
    draw_main()
    # In a process of its own: until it runs its program, a child has its parent's memory.
    program = (
        "import json, sys; from skinedge.benchmarks.cold_start import cold_start\n"
        "from pathlib import Path; print(json.dumps(cold_start(Path(sys.argv[1]), runs=1)))"
    )
    command = [sys.executable, "-c", program, str(picture)]
    result = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert min(result["predict_ms"], result["bare_import_ms"]) > 10
    assert result["ratio"] == result["predict_ms"] / result["bare_import_ms"]
    assert 20 < result["predict_peak_mib"] < 1000


def test_memory_is_the_child_s() -> None:
    program = (
        "import sys; from skinedge.benchmarks.cold_start import spawn\n"
        "for code in ('pass', 'x = [1] * 25_000_000'):\n"
        "    print(spawn([sys.executable, '-c', code]).peak_mib)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    small, large = map(float, done.stdout.split())
    assert large - small == pytest.approx(200e6 / 2**20, rel=0.1)


def test_a_failing_process_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="exit status 3"):
        spawn([sys.executable, "-c", "raise SystemExit(3)"])
