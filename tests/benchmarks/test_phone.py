"""Benchmarks from a desk over a pretended adb.

There is no phone here: `adb` is a script that writes down how it was called and prints what phones
print, with lines of `benchmark_model` as published by its users.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from skinedge.benchmarks import phone
from skinedge.benchmarks.result_file import read, to_json
from skinedge.benchmarks.results import Machine, Size
from skinedge.errors import BenchmarkError, ModelFileError, UsageError
from skinedge.model_file import EMBEDDED


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


NEW = """INFO: STARTING!
INFO: Num threads: [4]
INFO: Use xnnpack: [1]
INFO: Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the \
delegate.
INFO: The input model file size (MB): 67.3128
INFO: Initialized session in 614.333ms.
INFO: Running benchmark for at least 20 iterations and at least 0.5 seconds but terminate if \
exceeding 150 seconds.
INFO: count=20 first=905463 curr=905463 min=905463 max=905463 avg=9.05463e+05 std=0 p5=905463 \
median=905463 p95=905463
INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if \
exceeding 150 seconds.
INFO: count=50 first=1249964 curr=1240143 min=1238588 max=1252566 avg=1.24027e+06 std=2565 \
p5=1238753 median=1239807 p95=1247415

INFO: Inference timings in us: Init: 5579, First inference: 1357602, Warmup (avg): 1.3576e+06, \
Inference (avg): 1.24027e+06
INFO: Memory footprint delta from the start of the tool (MB): init=6.36328 overall=109.832
"""
OLD = """STARTING!
Explicitly applied XNNPACK delegate, and the model graph will be partially executed by the \
delegate w/ 22 delegate kernels.
count=6 first=140706 curr=74599 min=74599 max=140706 avg=85791.2 std=24559
count=50 first=74456 curr=74516 min=73909 max=75323 avg=74481.6 std=268
Inference timings in us: Init: 18738, First inference: 140706, Warmup (avg): 85791.2, \
Inference (avg): 74481.6
"""
ONE = """count=1 curr=1357602
count=1 curr=900000
Inference timings in us: Init: 5579, First inference: 1357602, Warmup (avg): 1.3576e+06, \
Inference (avg): 900000
"""


@dataclass(frozen=True)
class Phone:
    calls: Path
    output: Path
    devices: Path
    fails: Path

    def called(self) -> list[list[str]]:
        return [line.split("\t") for line in self.calls.read_text().splitlines()]


FAKE = """#!{python}
import os
import signal
import sys
import time
from pathlib import Path
here = Path({here!r})
with open(here / "calls", "a") as calls:
    print(*sys.argv[1:], sep="\\t", file=calls)
said = " ".join(sys.argv[1:])
fails = (here / "fails").read_text()
if fails and fails in said:
    sys.exit("adb: error: " + fails + " failed")
if said == "devices":
    print("List of devices attached\\r\\n" + (here / "devices").read_text())
elif "mkdir" in said and (here / "told").exists():
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(60)
elif "mkdir" in said and (here / "full").exists():
    print("mkdir: No space left on device\\r")
elif "mkdir" in said:
    print("WARNING: linker: of some phones\\r\\nmade\\r")
elif "getprop" in said:
    print("Pixel 7\\r\\narm64-v8a\\r\\n14\\r\\n8\\r\\nMemTotal:        7629216 kB\\r")
elif "--graph" in said:
    print((here / "output").read_text().replace("\\n", "\\r\\n"))
"""


@pytest.fixture
def adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Phone:
    """A script in adb's place, and one phone that it sees."""
    found = Phone(*(tmp_path / name for name in ("calls", "output", "devices", "fails")))
    found.output.write_text(NEW)
    found.devices.write_text("R3CT\tdevice\r\n")
    found.fails.write_text("")
    script(tmp_path / "bin/adb", FAKE.format(python=sys.executable, here=str(tmp_path)))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=os.pathsep)
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    return found


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    return script(tmp_path / "benchmark_model", "")


def test_a_phone_s_report(adb: Phone, binary: Path, tmp_path: Path) -> None:
    said: list[str] = []
    report = phone.over_adb(binary, [], [1, 4], 50, said.append)
    assert report.machine == Machine(
        processor="",
        board="Pixel 7",
        architecture="arm64-v8a",
        cores=8,
        memory=7629216 * 1024,
        system="Android 14",
        python="",
        packages={},
    )
    (model,) = report.subjects
    assert (model.name, model.input, model.precision) == ("edge", 192, "int8")
    assert model.size == Size(EMBEDDED.stat().st_size, partitions=1)
    assert [timed.threads for timed in model.latency] == [1, 4]
    inference = model.latency[0].inference
    assert (inference.median, inference.p5, inference.p95) == (1239.807, 1238.753, 1247.415)
    assert inference.runs == 50
    assert not report.notes
    assert report.complete
    assert len(said) == 2

    calls = adb.called()
    folder = calls[1][1].split()[3]
    assert re.fullmatch(r"/data/local/tmp/skinedge-\w{16}", folder)
    assert ["push", str(binary), f"{folder}/benchmark_model"] in calls
    assert ["push", str(EMBEDDED), f"{folder}/0.tflite"] in calls
    assert ["shell", f"chmod 700 {folder}/benchmark_model"] in calls
    (run_4,) = [shlex.split(call[1]) for call in calls if "--num_threads=4" in call[-1]]
    assert set(run_4) >= {f"--graph={folder}/0.tflite", "--num_runs=50", "--use_xnnpack=true"}
    assert calls[-1] == ["shell", f"rm -rf {folder}"]
    path = tmp_path / "report.json"
    path.write_text(to_json(report))
    assert read(path) == report


def test_an_older_tool_has_no_percentiles(adb: Phone, binary: Path) -> None:
    adb.output.write_text(OLD)
    report = phone.over_adb(binary, [], [1, 2], 50, lambda line: None)
    inference = report.subjects[0].latency[0].inference
    assert (inference.median, inference.p5, inference.p95) == (74.4816, 73.909, 75.323)
    assert report.subjects[0].size.partitions == 22
    assert len(report.notes) == 1
    assert "no percentiles" in report.notes[0]


def test_a_single_run(adb: Phone, binary: Path) -> None:
    adb.output.write_text(ONE)
    report = phone.over_adb(binary, [], [1], 1, lambda line: None)
    inference = report.subjects[0].latency[0].inference
    assert (inference.median, inference.p5, inference.p95, inference.runs) == (900, 900, 900, 1)


@pytest.mark.parametrize(
    "output", ["", "ERROR: Failed to load model\n", NEW.partition("count=50")[0]]
)
def test_no_times(adb: Phone, binary: Path, output: str) -> None:
    adb.output.write_text(output)
    with pytest.raises(BenchmarkError, match="printed no times") as raised:
        phone.over_adb(binary, [], [1], 50, lambda line: None)
    assert raised.value.exit_code == 1
    assert adb.called()[-1][1].startswith("rm -rf /data/local/tmp/skinedge-")


@pytest.mark.parametrize("fails", ["mkdir", "getprop", "push", "chmod", "--graph"])
def test_a_failing_step_leaves_nothing(adb: Phone, binary: Path, fails: str) -> None:
    adb.fails.write_text(fails)
    with pytest.raises(BenchmarkError, match=f"{fails} failed"):
        phone.over_adb(binary, [], [1], 50, lambda line: None)
    assert adb.called()[-1][1].startswith("rm -rf /data/local/tmp/skinedge-")


def test_an_interrupted_phone(adb: Phone, binary: Path) -> None:
    def say(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        phone.over_adb(binary, [], [1], 50, say)
    assert adb.called()[-1][1].startswith("rm -rf /data/local/tmp/skinedge-")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing(adb: Phone, binary: Path, number: signal.Signals) -> None:
    def say(line: str) -> None:
        os.kill(os.getpid(), number)

    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit) as raised:
            phone.over_adb(binary, [], [1], 50, say)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert raised.value.code == 128 + number
    assert adb.called()[-1][1].startswith("rm -rf /data/local/tmp/skinedge-")


def test_a_signal_while_the_folder_is_made(adb: Phone, binary: Path, tmp_path: Path) -> None:
    (tmp_path / "told").touch()
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit):
            phone.over_adb(binary, [], [1], 50, lambda line: None)
    finally:
        signal.signal(signal.SIGTERM, before)
    made, removed = (command.split() for _, command in adb.called()[-2:])
    assert made[:3] == ["mkdir", "-m", "700"]
    assert removed == ["rm", "-rf", made[3]]


def test_a_full_phone(adb: Phone, binary: Path, tmp_path: Path) -> None:
    (tmp_path / "full").touch()
    with pytest.raises(BenchmarkError, match="the phone made no folder: mkdir: No space left"):
        phone.over_adb(binary, [], [1], 50, lambda line: None)


def test_what_stays_is_said(adb: Phone, binary: Path) -> None:
    adb.fails.write_text("rm -rf")
    said: list[str] = []
    phone.over_adb(binary, [], [1], 50, said.append)
    assert re.search(r"skinedge-\w+ may still be on the phone", said[-1])


@pytest.mark.parametrize(
    ("devices", "serial", "match"),
    [
        ("", "", "no phone that is ready; allow"),
        ("R3CT\tunauthorized\n", "", r"ready \(unauthorized\)"),
        ("R3CT\tdevice\nemulator-5554\tdevice\n", "", "R3CT and emulator-5554; set ANDROID_SERIAL"),
        ("R3CT\tdevice\n", "other", "ANDROID_SERIAL=other"),
    ],
)
def test_which_phone(
    adb: Phone,
    binary: Path,
    monkeypatch: pytest.MonkeyPatch,
    devices: str,
    serial: str,
    match: str,
) -> None:
    adb.devices.write_text(devices)
    if serial:
        monkeypatch.setenv("ANDROID_SERIAL", serial)
    with pytest.raises(UsageError, match=match):
        phone.over_adb(binary, [], [1], 50, lambda line: None)
    assert adb.called() == [["devices"]]


def test_one_of_two_phones(adb: Phone, binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adb.devices.write_text("R3CT\tdevice\nemulator-5554\tdevice\n")
    monkeypatch.setenv("ANDROID_SERIAL", "R3CT")
    assert phone.over_adb(binary, [], [1], 50, lambda line: None).subjects


def test_no_adb_no_binary_no_model(
    binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchmarkError, match="adb is not installed"):
        phone.over_adb(binary, [], [1], 50, print)
    with pytest.raises(UsageError, match="no such file"):
        phone.over_adb(tmp_path / "none", [], [1], 50, print)
    with pytest.raises(ModelFileError, match="cannot read"):
        phone.over_adb(binary, [tmp_path / "none.tflite"], [1], 50, print)
    assert binary.stat().st_mode & stat.S_IXUSR
