"""Data parallelism on two virtual devices gives what one device gives."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from skinedge.errors import UsageError
from skinedge.train.devices import share_batches

SCRIPT = Path(__file__).with_name("on_two_devices.py")


def _losses(data: Path, run: Path, devices: int) -> list[float]:
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "PYTHONPATH": os.pathsep.join([str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, str(SCRIPT), str(data), str(run), str(devices)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with open(run / "log.csv", newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
def test_two_devices_train_as_one_does(ham10000: Path, tmp_path: Path) -> None:
    one, two = (_losses(ham10000, tmp_path / str(n), n) for n in (1, 2))
    # Sums are taken in another order. Adam takes a step of full size for the sign of a gradient
    # however small, so only a low learning rate keeps the difference small (2e-5).
    assert two == pytest.approx(one, rel=1e-3)


def test_other_backends_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keras.backend.backend", lambda: "tensorflow")
    with pytest.raises(UsageError, match="KERAS_BACKEND=jax, not tensorflow"):
        share_batches(32)
