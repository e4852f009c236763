"""List the operators that a TensorFlow's TFLite has, with their versions, by asking it.

    pip install tensorflow-cpu==2.16.1
    python tools/tflite_operators.py tests/android/tflite_2_16_1.json

Each operator is asked for in each version with a model of its own. This is what
tensorflow/lite/core/kernels/register.cc of that release registers.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import flatbuffers
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

NEWEST = 20  # no operator has had more versions yet


def _asking(operator: int, version: int) -> bytes:
    """A model that names one operator and runs nothing."""
    code = schema.OperatorCodeT()
    code.builtinCode, code.version = operator, version
    code.deprecatedBuiltinCode = min(operator, 127)
    graph: Any = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [], [], [], []
    model = schema.ModelT()
    model.version, model.operatorCodes = 3, [code]
    model.subgraphs, model.buffers = [graph], [schema.BufferT()]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _has(operator: int, version: int) -> bool:
    try:
        tf.lite.Interpreter(model_content=_asking(operator, version))
    except ValueError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="a JSON file: first and last version by name")
    out = parser.parse_args().out
    numbers = {k: v for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
    found = {}
    for name in sorted(numbers):
        if versions := [v for v in range(1, NEWEST) if _has(numbers[name], v)]:
            found[name] = [versions[0], versions[-1]]
    rows = ",\n".join(f"{json.dumps(name)}: {ends}" for name, ends in found.items())
    out.write_text(f"{{\n{rows}\n}}\n", encoding="utf-8")
    print(f"{out}: {len(found)} operators of TensorFlow {tf.__version__}")


if __name__ == "__main__":
    main()
