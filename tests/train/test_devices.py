"""Two virtual devices, and two processes in place of two machines, train what one device does."""

from __future__ import annotations

import csv
import inspect
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from thin import thin_backbone
from typer.testing import CliRunner

from skinedge.edge_cli.main import app
from skinedge.errors import UsageError
from skinedge.train import devices, runs
from skinedge.train.devices import joined, share_batches

SCRIPT = Path(__file__).with_name("on_devices.py")

needs_jax = pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")


def _started(data: Path, run: Path, *options: str, devices: int = 1) -> subprocess.Popen[bytes]:
    """A training on JAX, on so many devices of its own, with what it says and its temporary files
    beside `run`."""
    temporary = run.with_name(f"{run.name}-temporary")
    temporary.mkdir()
    paths = [str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiles in half the time
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "PYTHONPATH": os.pathsep.join(paths),
        "TMPDIR": str(temporary),
    }
    command = [sys.executable, SCRIPT, "--data", data, "--out", run, *options]
    with open(run.with_suffix(".txt"), "wb") as file:
        return subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)


def _ended(process: subprocess.Popen[bytes], run: Path) -> str:
    """What it said, once it has ended."""
    try:
        process.wait(timeout=900)
    finally:
        process.kill()
    return run.with_suffix(".txt").read_text()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _losses(run: Path) -> list[float]:
    with open(run / "log.csv", newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def one_device(ham10000: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unbroken run of two epochs."""
    run = tmp_path_factory.mktemp("devices") / "one"
    process = _started(ham10000, run)
    output = _ended(process, run)
    assert process.returncode == 0, output
    return run


@pytest.fixture(scope="module")
def two_devices(ham10000: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that died after its first epoch."""
    run = tmp_path_factory.mktemp("devices") / "two"
    process = _started(ham10000, run, "--data-parallel", "--killed", devices=2)
    output = _ended(process, run)
    assert output.endswith("Killed\n"), output
    return run


# Sums are taken in another order. Adam takes a step of full size for the sign of a gradient
# however small, so only a low learning rate keeps the difference small (1e-8).
@needs_jax
def test_two_devices_train_as_one_does(one_device: Path, two_devices: Path) -> None:
    assert _losses(two_devices) == pytest.approx(_losses(one_device)[:1], rel=1e-5)


@needs_jax
def test_two_machines_go_on_as_one_would(
    one_device: Path, two_devices: Path, ham10000: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(two_devices, first)
    address = f"127.0.0.1:{_free_port()}"
    together = ("--resume", "--machines", f"{address},{address}", "--machine")
    machines = [_started(ham10000, run, *together, str(n)) for n, run in enumerate((first, second))]
    said = [_ended(process, run) for process, run in zip(machines, (first, second), strict=True)]
    assert [process.returncode for process in machines] == [0, 0], "\n".join(said)
    assert "test split, 15 images" in said[0]

    assert _losses(first) == pytest.approx(_losses(one_device), rel=1e-5)
    for ours, theirs in zip(_weights(first), _weights(one_device), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    # The other has left nothing, and needed nothing but the data.
    assert not second.exists()
    assert not list(tmp_path.glob("*-temporary/*/"))
    assert {path.name for path in first.iterdir()} == {path.name for path in one_device.iterdir()}


def _weights(run: Path) -> Any:
    with thin_backbone():
        return runs.load(runs.Run(run)).get_weights()


def test_other_backends_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("keras.backend.backend", lambda: "tensorflow")
    with pytest.raises(UsageError, match="--data-parallel works with KERAS_BACKEND=jax, not tens"):
        share_batches(32)
    with (
        pytest.raises(UsageError, match="--machines works with KERAS_BACKEND=jax, not tensorflow"),
        joined("a:1234,b:1234", 0, tmp_path, resume=False),
    ):
        pass


def test_a_first_machine_that_never_comes_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(devices, "PATIENCE", 0)
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    address = f"127.0.0.1:{_free_port()}"
    with (
        pytest.raises(UsageError, match=rf"machine 0 did not answer at {address} \(.*refused"),
        joined(f"{address},b:1234", 1, tmp_path, resume=False),
    ):
        pass


@needs_jax
def test_waiting_in_vain_ends_in_one_line(tmp_path: Path) -> None:
    """JAX would end the process itself, by a stack trace that no exception handler sees."""
    program = f"""
from pathlib import Path
from skinedge.train import devices
devices.JAX_PATIENCE = 7.0
with devices.joined("127.0.0.1:{_free_port()},b:1234", 0, Path("."), resume=False):
    print("joined")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines()[-1].startswith("skinedge: the machines are not complete: ")


@needs_jax
def test_jax_waits_as_long_as_we_take_it_to() -> None:
    import jax

    default = inspect.signature(jax.distributed.initialize).parameters["initialization_timeout"]
    assert default.default == devices.JAX_PATIENCE


@pytest.mark.parametrize("host", ["no.such.machine.invalid", "a..b", "a" * 64])
def test_a_host_that_is_none_is_named(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "PATIENCE", 0)
    with pytest.raises(UsageError, match=rf"did not answer at {host}:1 \([^)]"):
        devices._wait_for(f"{host}:1")


def test_a_port_that_swallows_everything_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def create_connection(*_: object, **__: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(devices, "PATIENCE", 0)
    monkeypatch.setattr(socket, "create_connection", create_connection)
    with pytest.raises(UsageError, match=r"\(timed out\)"):
        devices._wait_for("a:1")


def test_a_first_machine_that_comes_late_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "PATIENCE", 30)
    port = _free_port()
    met: list[socket.socket] = []

    def listen() -> None:
        time.sleep(0.7)
        with socket.create_server(("127.0.0.1", port)) as server:
            server.settimeout(30)
            met.append(server.accept()[0])

    late = threading.Thread(target=listen, daemon=True)
    late.start()
    devices._wait_for(f"127.0.0.1:{port}")
    late.join(timeout=30)
    assert met


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--machines a:1234 --machine 0", "two or more as HOST:PORT"),
        ("--machines a,b --machine 0", "two or more as HOST:PORT"),
        ("--machines a:1234,b:0 --machine 0", "two or more as HOST:PORT"),
        ("--machines a:1234,b:65536 --machine 0", "two or more as HOST:PORT"),
        ("--machines a:65535,b:1 --machine 2", "which of --machines this one is: 0 to 1"),
        ("--machines a:1234,b:1234", "which of --machines this one is: 0 to 1"),
        ("--machines a:1234,b:1234 --machine 2", "which of --machines this one is: 0 to 1"),
        ("--machine 0", "give both"),
    ],
)
def test_machines_that_make_no_sense_are_refused(
    options: str, message: str, tmp_path: Path
) -> None:
    command = f"train edge --data {tmp_path} --out {tmp_path / 'run'} {options}"
    result = CliRunner().invoke(app, command.split())
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)
