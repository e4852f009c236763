"""A `.tflite` in ONNX: the same weights, scales and rounding, for runtimes that read no TFLite.

Quantizing anew from the float32 network would give other scales and so another network. This keeps
every number of the file: ONNX Runtime then answers an int8 file bit for bit as LiteRT does.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import tf2onnx
from onnx import numpy_helper

__all__ = ["onnx_form"]

# The newest that tf2onnx is tested with; ONNX Runtime has had all of it since 1.14.
OPSET = 18


def _unsigned(model: onnx.ModelProto) -> None:
    """Activations from int8 to uint8 with zero points 128 higher: the same values, in place.

    On x86 ONNX Runtime has fast kernels for uint8 activations alone. Of int8 ones it rewrites
    some itself and computes the rest in float32, which takes twice as long and rounds otherwise.
    """
    constants = {constant.name: constant for constant in model.graph.initializer}
    shifted: dict[str, onnx.TensorProto] = {}
    for node in model.graph.node:
        quantizes = node.op_type in ("QuantizeLinear", "DequantizeLinear")
        if not quantizes or node.input[0] in constants:  # weights stay as they are
            continue
        zero = numpy_helper.to_array(constants[node.input[2]])
        if zero.dtype == np.int8:
            name = f"{node.input[2]}_uint8"
            shifted[name] = numpy_helper.from_array((zero + np.int16(128)).astype(np.uint8), name)
            node.input[2] = name
    used = {name for node in model.graph.node for name in node.input}
    kept = [constant for name, constant in constants.items() if name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend([*kept, *shifted.values()])
    del model.graph.value_info[:]  # they still say int8


def onnx_form(content: bytes) -> bytes:
    """The ONNX model of a `.tflite`, inputs and outputs in the file's order and types.

    Needs TensorFlow, which tf2onnx reads the file with; takes some seconds.
    """
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's, that its interpreter moves to LiteRT
        path = Path(folder) / "model.tflite"
        path.write_bytes(content)
        logger.setLevel(logging.ERROR)
        try:
            model, _ = tf2onnx.convert.from_tflite(str(path), opset=OPSET)
        finally:
            logger.setLevel(level)
    _unsigned(model)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
