"""Benchmark on a phone over adb, from the desk; nothing stays behind there.

    report = over_adb(Path("benchmark_model"), [Path("edge.tflite")], [1, 4], 50, print)

It uses the system's own adb. The phone needs nothing but TensorFlow Lite's `benchmark_model`, which
the user brings.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from skinedge.errors import BenchmarkError, UsageError
from skinedge.model_file import EMBEDDED
from skinedge.runtime import Network

from .contestants import opened, precision_of
from .results import Latency, Machine, Report, Size, Spread, Subject

__all__ = ["over_adb"]

Say = Callable[[str], None]

PHONE = "/data/local/tmp/skinedge-"
WARM_UP = 20
ABOUT = (
    "getprop ro.product.model; getprop ro.product.cpu.abi; getprop ro.build.version.release; "
    "nproc; grep MemTotal /proc/meminfo"
)


def over_adb(
    binary: Path, models: Sequence[Path], threads: Sequence[int], runs: int, say: Say
) -> Report:
    """Time models on a phone or tablet with TensorFlow Lite's `benchmark_model` and XNNPACK.

    Both are copied into a folder of their own there, which is removed however this ends, unless it
    is killed.

    Args:
        binary: `benchmark_model`, built for the phone.
        models: files on this machine; none: the embedded one.
        threads: each model is timed with each of these.
        runs: least timed ones; the tool goes on for a second, and stops after 150.
        say: gets a line before each run.

    Raises:
        UsageError: the binary does not exist, or it is not clear which phone is meant.
        ModelFileError: a model cannot be read.
        BenchmarkError: adb is missing or refused, or the tool failed.
    """
    start, started = time.monotonic(), datetime.now(timezone.utc).isoformat(timespec="seconds")
    if not binary.is_file():
        raise UsageError(f"{binary}: no such file; give TensorFlow Lite's benchmark_model")
    paths = list(models) or [EMBEDDED]
    subjects = [_subject(path, paths) for path in paths]
    _one_phone()
    notes: dict[str, None] = {}
    with _exit_when_told(), _folder(say) as folder:
        machine = _machine(_adb("shell", ABOUT))
        _adb("push", str(binary), f"{folder}/benchmark_model")
        _adb("shell", f"chmod 700 {folder}/benchmark_model")
        for index, path in enumerate(paths):
            model, timed = f"{folder}/{index}.tflite", []
            _adb("push", str(path), model)
            for count in threads:
                say(f"{subjects[index].name}, {count} thread(s), on {machine.board}")
                said = _adb(
                    "shell",
                    f"{folder}/benchmark_model --graph={model} --num_threads={count} "
                    f"--num_runs={runs} --warmup_runs={WARM_UP} --use_xnnpack=true 2>&1",
                )
                inference, partitions, noted = _timings(said)
                notes |= dict.fromkeys(noted)
                timed.append(Latency(count, inference))
            size = replace(subjects[index].size, partitions=partitions)
            subjects[index] = replace(subjects[index], latency=tuple(timed), size=size)
    return Report(
        complete=True,
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        started=started,
        seconds=round(time.monotonic() - start, 1),
        seed=0,
        machine=machine,
        subjects=tuple(subjects),
        notes=tuple(notes),
    )


@contextmanager
def _exit_when_told() -> Iterator[None]:
    """Make SIGTERM and SIGHUP an exit that clears up; Python would end at once."""
    told = [
        number
        for name in ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
        if (number := getattr(signal, name, None)) and signal.getsignal(number) == signal.SIG_DFL
    ]

    def leave(number: int, frame: object) -> None:
        for each in told:
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in told:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in told:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def _folder(say: Say) -> Iterator[str]:
    """A folder on the phone for as long as it is needed.

    Named here: one named there would stay if something interrupts before its name is known.
    """
    folder = f"{PHONE}{secrets.token_hex(8)}"
    try:
        # Older phones do not hand the exit code on.
        said = _adb("shell", f"mkdir -m 700 {folder} 2>&1 && echo made").split()
        if said[-1:] != ["made"]:
            raise BenchmarkError(f"the phone made no folder: {' '.join(said)}")
        yield folder
    finally:
        try:
            _adb("shell", f"rm -rf {folder}")
        except BenchmarkError as error:  # must not hide what went wrong before
            say(f"{folder} may still be on the phone: {error}")


def _subject(path: Path, paths: Sequence[Path]) -> Subject:
    """A model before it is timed."""
    file = opened(path)
    side = Network(file.content, str(path), 1).height
    precision = precision_of(file)
    unique = [other.stem for other in paths].count(path.stem) == 1
    return Subject(
        name=path.stem if unique else str(path.with_suffix("")),
        source=str(path),
        runtime="TensorFlow Lite benchmark_model",
        device="cpu",
        precision=precision,
        weights="trained" if file.card else "unknown",
        role="model",
        input=side,
        size=Size(len(file.content)),
    )


def _adb(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["adb", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C must leave adb able to clear up
            check=False,
        )
    except FileNotFoundError as error:
        raise BenchmarkError("adb is not installed; install Android's platform-tools") from error
    if done.returncode:
        said = (done.stderr + done.stdout).strip().splitlines() or ["it did not say why"]
        raise BenchmarkError(f"adb {shlex.join(arguments)[:60]}: {said[-1]}")
    return done.stdout.replace("\r", "")


def _one_phone() -> None:
    found = [line.split("\t") for line in _adb("devices").splitlines() if "\t" in line]
    ready = [serial for serial, state in found if state.strip() == "device"]
    wanted = os.environ.get("ANDROID_SERIAL")
    if wanted and wanted not in ready:
        raise UsageError(f"ANDROID_SERIAL={wanted}: no such phone is ready; see `adb devices`")
    if not ready:
        states = f" ({', '.join(state.strip() for _, state in found)})" if found else ""
        raise UsageError(f"adb sees no phone that is ready{states}; allow USB debugging on it")
    if len(ready) > 1 and not wanted:
        raise UsageError(f"adb sees {' and '.join(ready)}; set ANDROID_SERIAL to one of them")


def _machine(said: str) -> Machine:
    model, abi, android, cores, memory = (said.split("\n") + [""] * 5)[:5]
    kilobytes = re.search(r"\d+", memory)
    return Machine(
        processor="",
        board=model.strip(),
        architecture=abi.strip(),
        cores=int(cores) if cores.strip().isdigit() else 0,
        memory=1024 * int(kilobytes[0]) if kilobytes else None,
        system=f"Android {android.strip()}",
        python="",
        packages={},
    )


def _timings(said: str) -> tuple[Spread, int | None, list[str]]:
    """What `benchmark_model` printed: its times, delegate partitions, and what must be noted.

    Of its lines of statistics, in microseconds, the first is the warm-up's and the last the
    timed runs'. Older ones have no percentiles; where all runs took equally long, or there was
    only one, a line has nothing but its count and that time.
    """
    lines = re.findall(r"count=(\d+) (.*)", said)
    fields = dict(re.findall(r"(\w+)=([-+.\de]+)", lines[-1][1])) if lines else {}
    us = {name: float(value) for name, value in fields.items()}
    if len(lines) < 2 or not us.keys() & {"avg", "curr"}:
        last = (said.strip().splitlines() or ["nothing"])[-1]
        raise BenchmarkError(f"benchmark_model printed no times; its last line: {last}")
    runs, notes = int(lines[-1][0]), []
    if "avg" not in us:
        us |= dict.fromkeys(("median", "p5", "p95"), us["curr"])
    elif not us.keys() >= {"median", "p5", "p95"}:
        us |= {"median": us["avg"], "p5": us["min"], "p95": us["max"]}
        notes.append(
            "This benchmark_model gives no percentiles: medians are its means, and the 5th and "
            "95th percentiles its shortest and longest runs."
        )
    partitions = None
    kernels = re.search(r"partially executed by the delegate w/ (\d+)", said)
    if kernels:
        partitions = int(kernels[1])
    elif "completely executed by the delegate" in said:
        partitions = 1
    elif "will not be executed by the delegate" in said:
        partitions = 0
        notes.append("XNNPACK took no part of a model: its times are those of the plain kernels.")
    inference = Spread(us["median"] / 1e3, us["p5"] / 1e3, us["p95"] / 1e3, runs)
    return inference, partitions, notes
