"""The full-precision baseline answers as its Keras model does, on each backend that is here."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# In a process of its own: a backend is chosen once.
SCRIPT = """
import numpy as np
from small import SIZE, small
from scipy.special import softmax
from skinedge.benchmarks.keras_model import KerasModel
from skinedge.train.batches import normalise

model = small()
baseline = KerasModel("small", model, trained=False)
pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
expected = model.predict(normalise(pixels[np.newaxis]), verbose=0)
probabilities, attention = baseline.run(pixels)
np.testing.assert_allclose(probabilities, softmax(expected[0][0]), atol=1e-5)
np.testing.assert_allclose(attention, expected[1][0], atol=1e-4)
assert baseline.compile > 0
assert (baseline.height, baseline.width) == (SIZE, SIZE)
assert (baseline.device, baseline.accelerator) == ("cpu", "")
found = baseline.throughput((1, 4), seconds=5)
assert list(found) == ["1", "4"]
assert min(found.values()) > 0
if baseline.runtime.split()[-2] == "jax":
    import jax
    seen = []
    precision = lambda: jax.config.jax_default_matmul_precision
    model.stateless_call = lambda *_, **__: (seen.append(precision()), 0)
    KerasModel("small", model, trained=False)
    assert seen == ["float32"]
elif baseline.runtime.split()[-2] == "tensorflow":
    import tensorflow as tf
    assert not tf.config.experimental.tensor_float_32_execution_enabled()
print(baseline.runtime)
"""
TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_backend_answers_as_keras_does(backend: str) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    paths = [TESTS, TESTS / "compress", TESTS.parent / "tools"]
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-2] == backend
