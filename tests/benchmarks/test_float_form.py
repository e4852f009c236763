"""The float32 form comes from TensorFlow, also where Keras computes on another backend."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import keras
import pytest

from skinedge.benchmarks.float_form import float32_form
from skinedge.benchmarks.process import keras_peak
from skinedge.errors import CompressionError, ModelFileError
from skinedge.model_file import ModelFile, read_model

# In a process of its own: a backend is chosen once.
SCRIPT = """
from skinedge.benchmarks import contestants, measuring
from skinedge.benchmarks.bench import Bench, Plan

plan = Plan(threads=(1,), runs=1, baseline="edge-128", peers=False, published=False)
bench = Bench(plan, lambda step, items: lambda done: None)
contestants.COLD_RUNS, contestants.BATCHES = 1, (1,)
for step in (contestants.models, contestants.own_float, contestants.keras_models):
    step(bench)
measuring.inference(bench)
for subject in bench.subjects.values():
    inference, peak = subject.latency[0].inference, subject.size.peak_memory
    print(subject.name, subject.precision, subject.runtime, inference.runs, peak)
"""


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
def test_a_baseline_on_jax_is_timed_beside_the_float32_form() -> None:
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    int8, float32, baseline = done.stdout.splitlines()
    assert int8.startswith("edge int8 ")
    assert float32.startswith("edge-float32 float32 ")
    assert baseline.startswith("edge-128 (Keras) float32 Keras ")
    assert ", jax " in baseline
    # Of a process that imports JAX and Keras, and holds 14 MB of weights.
    assert 100e6 < int(baseline.split()[-1]) < 10e9


def test_a_keras_process_that_fails_says_why() -> None:
    with keras_peak("b9", 1) as peak, pytest.raises(ModelFileError, match=r"^b9: .*KeyError: 'b9'"):
        peak()


def test_a_process_that_cannot_convert_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    nowhere = read_model().path.with_name("none.tflite")
    with pytest.raises(CompressionError, match=r"none\.tflite"):
        float32_form(ModelFile(nowhere, b"", (), None))
