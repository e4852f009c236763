"""A model file's network in float32, whatever Keras runs on here.

    python -m skinedge.benchmarks.float_form edge.tflite edge-float32.tflite

TensorFlow alone converts to TFLite: where Keras runs on JAX or torch, a process of its own does it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras

from skinedge.compress import restore
from skinedge.errors import CompressionError
from skinedge.model_file import ModelFile, parse_model, read_model

from .command import as_command

__all__ = ["float32_form"]

# It must not take the GPU's memory from the Keras that is measured.
_ENVIRONMENT = {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}


def float32_form(file: ModelFile) -> ModelFile:
    """See `compress.restore.float32_form`.

    Raises:
        CompressionError: see there; or the process that converts failed.
    """
    if keras.backend.backend() == "tensorflow":
        return restore.float32_form(file)
    with tempfile.TemporaryDirectory() as folder:
        form = Path(folder) / f"{file.path.stem}-float32.tflite"
        command = [sys.executable, "-m", "skinedge.benchmarks.float_form", str(file.path)]
        done = subprocess.run(
            [*command, str(form)],
            env={**os.environ, **_ENVIRONMENT},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["it did not say why"])[-1]
            raise CompressionError(said.removeprefix("skinedge: "))
        return parse_model(form.read_bytes(), file.path.with_name(form.name))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    arguments.out.write_bytes(restore.float32_form(read_model(arguments.model)).content)


if __name__ == "__main__":
    as_command(main)
