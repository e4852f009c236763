"""`skinedge benchmark` from end to end on the embedded model, and the parts it is made of."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from skinedge.benchmarks import machine, result_file
from skinedge.benchmarks.bench import Plan
from skinedge.benchmarks.machine import Watch
from skinedge.benchmarks.process import cold_starts
from skinedge.benchmarks.results import Latency, Report, Size, Spread, Subject
from skinedge.benchmarks.savings import savings
from skinedge.benchmarks.suite import benchmark
from skinedge.benchmarks.timing import interleaved, spread
from skinedge.errors import DatasetError, ModelFileError, RunError, UsageError
from skinedge.model_file import EMBEDDED, read_model

BARE = Plan(threads=(1,), runs=4, baseline="", peers=False, published=False)
COMMAND = [sys.executable, "-c", "from skinedge.edge_cli.main import run; run()", "benchmark"]


def _silent(step: str, items: int) -> Callable[[int], None]:
    return lambda done: None


def test_calls_are_timed_in_turn_and_as_often_as_asked() -> None:
    called: list[str] = []
    calls = [lambda name=name: called.append(name) for name in "ab"]
    few, many = interleaved(calls, [3, 12], warm_up=0)
    assert (len(few.ms), len(many.ms)) == (3, 12)
    assert len(few.returned) == 3
    # Three rounds of at most five, each begun by one run that is not timed.
    assert "".join(called) == "aabbbbb" * 3
    assert min(few.ms) >= 0
    assert interleaved([], []) == []


def test_a_spread_is_of_its_runs() -> None:
    assert spread([float(n) for n in range(101)]) == Spread(50.0, 5.0, 95.0, 101)


def test_the_machine_is_named() -> None:
    machine = Watch().machine()
    assert machine.cores >= 1
    assert machine.packages["numpy"] == np.__version__
    assert machine.gpu == ""


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="Linux counts in /proc/stat")
def test_load_is_what_others_use_now(monkeypatch: pytest.MonkeyPatch) -> None:
    # 60 ticks in use of 200, of which 20 were this process's own.
    counted = iter([(1000, 9000), (1060, 9200)])
    own = iter([3.0, 3.0 + 20 / os.sysconf("SC_CLK_TCK")])
    monkeypatch.setattr(machine, "_ticks", lambda: next(counted))
    monkeypatch.setattr(machine.time, "process_time", lambda: next(own))
    monkeypatch.setattr(machine.time, "sleep", lambda seconds: None)
    assert Watch().machine().load == 0.2
    monkeypatch.undo()
    used, whole = machine._ticks()
    assert 0 < used < whole


def test_load_is_unknown_where_nobody_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> tuple[int, int]:
        raise FileNotFoundError

    monkeypatch.setattr(machine, "_ticks", missing)
    assert Watch().machine().load is None


def test_a_process_of_its_own_is_timed_and_weighed() -> None:
    found = cold_starts({"edge": EMBEDDED.read_bytes()}, threads=1, runs=2)
    assert list(found) == ["edge"]
    cold, peak = found["edge"]
    assert cold.runs == 2
    assert 1e7 < peak < 1e9
    assert cold.p5 > 20, "no Python starts, loads and answers in less"


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(ModelFileError, match=r"broken: a process of its own cannot run it"):
        cold_starts({"broken": EMBEDDED.read_bytes()[:5000]}, threads=1, runs=1)


def _subject(name: str, role: str, file: int, times: dict[int, float]) -> Subject:
    latency = tuple(Latency(n, Spread(ms, ms, ms, 9)) for n, ms in times.items())
    weights = "random" if role == "published" else "trained"
    size = Size(file, parameters=file, macs=None)
    return Subject(name, name, "", "cpu", "int8", weights, role, 192, size, latency)


def test_savings_are_shares_of_the_same_threads_or_of_all_cores() -> None:
    first = _subject("int8", "model", 25, {1: 3.0, 2: 2.0})
    full = _subject("float32", "model", 100, {1: 6.0, 2: 5.0})
    keras = _subject("keras", "baseline", 200, {8: 60.0})
    peer = _subject("peer", "peer", 25, {1: 3.0})
    unknown = _subject("paper", "published", 1000, {})
    found = {s.against: s for s in savings([first, full, keras, peer, unknown])}
    assert set(found) == {"float32", "keras", "paper"}
    assert found["float32"].latency == {"1": 0.5, "2": 0.4}
    assert found["keras"].latency == {"1": 3 / 60, "2": 2 / 60}
    assert (found["keras"].beside, found["float32"].beside) == ("8 threads", "")
    assert found["paper"].latency == {}
    on_tpu = replace(_subject("keras", "baseline", 200, {0: 60.0}), device="tpu")
    assert [s.beside for s in savings([first, on_tpu])] == ["TPU"]
    assert found["paper"].parameters == 0.025
    assert found["paper"].macs is None


def test_the_embedded_model_is_measured_whole(tmp_path: Path) -> None:
    saved: list[Report] = []
    report = benchmark(BARE, _silent, saved.append)
    assert [r.complete for r in saved] == [False] * (len(saved) - 1) + [True]
    model, full = report.subjects
    assert (model.precision, full.precision) == ("int8", "float32")
    assert model.size.partitions == full.size.partitions == 1
    assert model.size.macs == full.size.macs == pytest.approx(440.7e6, rel=1e-3)
    assert model.size.cold_start is not None
    assert full.size.peak_memory is not None
    assert any("rounded" in note for note in report.notes)
    for subject in (model, full):
        [timed] = subject.latency
        assert timed.throughput is not None
        assert timed.inference.runs == 4
        assert timed.total is not None
        assert timed.preprocessing is not None
        assert timed.total.median > timed.preprocessing.median
        assert subject.accuracy is not None
        assert subject.accuracy.recorded
    assert [roof.model for roof in report.roofs] == ["edge", "edge-float32"]
    file = tmp_path / "benchmark.json"
    result_file.write(report, file)
    assert result_file.read(file) == report


def test_labelled_images_are_asked_about(ham10000: Path) -> None:
    plan = replace(BARE, data=(ham10000,), split="all", runs=1)
    report = benchmark(plan, _silent, lambda report: None)
    model = report.subjects[0]
    assert model.accuracy is not None
    assert not model.accuracy.recorded
    assert model.accuracy.images == 147
    [change] = report.changes
    assert (change.model, change.against, change.images) == ("edge", "edge-float32", 147)
    assert change.agreement > 0.9
    assert change.attention_correlation is not None
    assert change.attention_correlation > 0.95
    assert 0 <= change.mcnemar <= 1
    # Drawn pictures are all of one class to it, so that its balanced accuracy has no interval.
    low, high = model.accuracy.intervals["melanoma_auroc"]
    value = model.accuracy.metrics["melanoma_auroc"]
    assert value is not None
    assert low <= value <= high


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.tflite"], "missing.tflite"),
        (["--threads", "0"], "--threads"),
        (["--threads", "two"], "--threads"),
        (["--runs", "0"], "--runs"),
        (["--seed", "-1"], "--seed"),
        (["--ssh", ""], "not a host"),
        (["--baseline", "b9"], "b9: neither a run folder nor a recipe"),
        (["--data", "."], ""),
        (["--compare", "missing.json"], "missing.json: not a benchmark's JSON"),
        (["--ssh", "pi", "--adb", "x"], "one machine at a time"),
        ([str(EMBEDDED), str(EMBEDDED)], "named twice"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    fast = ["--no-published", "--no-peers", "--runs", "1"]
    fast += [] if "--baseline" in arguments else ["--baseline", ""]
    done = subprocess.run(
        [*COMMAND, *fast, *arguments], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("apple/ISIC_0000000.png", "apple: not a class of this model; folders are named: akiec"),
        ("ISIC_0000000.png", "no labelled images; give HAM10000's folder"),
    ],
)
def test_labels_that_do_not_match_or_lack_end_it_at_once(
    name: str, message: str, tmp_path: Path
) -> None:
    picture = tmp_path / name
    picture.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(picture), np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(DatasetError, match=message) as raised:
        benchmark(replace(BARE, data=(tmp_path,), split="all"), _silent, lambda report: None)
    assert raised.value.exit_code == 2


def test_a_baseline_is_a_finished_run_or_refused_at_once(tmp_path: Path) -> None:
    steps: list[str] = []

    def progress(step: str, items: int) -> Callable[[int], None]:
        steps.append(step)
        return lambda done: None

    plan = replace(BARE, baseline=str(tmp_path))
    with pytest.raises(RunError, match="not a run folder"):
        benchmark(plan, progress, lambda report: None)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunError, match="has not finished"):
        benchmark(plan, progress, lambda report: None)
    assert steps == ["load models"] * 2


def test_a_killed_run_leaves_what_it_found_and_says_so(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [*COMMAND, "--out", str(out), "--no-peers", "--no-published", "--baseline", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        left = out / "benchmark.partial.json"
        while not (left.is_file() and left.stat().st_size):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not (out / "benchmark.json").exists()
    found = json.loads(left.read_text())
    assert found["complete"] is False
    assert found["subjects"][0]["name"] == "edge"
    assert result_file.read(left).complete is False


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The embedded model without its card."""
    file = read_model()
    assert file.card is not None
    path = tmp_path / "bare.tflite"
    path.write_bytes(file.content[: file.card["flatbuffer_bytes"]])
    return path


def test_a_file_without_a_card_is_timed_and_no_more(bare: Path) -> None:
    report = benchmark(replace(BARE, models=(bare,)), _silent, lambda report: None)
    [subject] = report.subjects
    assert subject.accuracy is None
    assert subject.weights == "unknown"
    assert subject.latency[0].inference.runs == 4
    assert subject.latency[0].total is None


def test_more_threads_than_cores_are_allowed_and_noted(bare: Path) -> None:
    plan = replace(BARE, models=(bare,), threads=(1, 60), runs=1)
    report = benchmark(plan, _silent, lambda report: None)
    assert any("60 threads on" in note for note in report.notes)


def test_a_report_of_another_schema_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "old.json"
    file.write_text('{"schema": 99}')
    with pytest.raises(UsageError, match="schema 99"):
        result_file.read(file)
    file.write_text('{"schema": 1, "machine": 3}')
    with pytest.raises(UsageError, match="damaged"):
        result_file.read(file)


def test_a_value_of_another_type_is_damage(tmp_path: Path) -> None:
    file = tmp_path / "benchmark.json"
    subject = _subject("a", "model", 3, {1: 2.0})
    result_file.write(Report(True, "c", "s", 1.0, 1, Watch().machine(), (subject,)), file)
    text = file.read_text()
    for whole, broken in (
        ('"median": 2.0', '"median": "x"'),
        ('"file": 3', '"file": []'),
        ('"name": "a"', '"name": 7'),
        ('"complete": true', '"complete": "yes"'),
    ):
        assert whole in text
        file.write_text(text.replace(whole, broken))
        with pytest.raises(UsageError, match="damaged"):
            result_file.read(file)
