"""What the TFLite converter lacks, by AI Edge Quantizer: int16 activations with float layers, int4.

It works on the converter's flatbuffers, without Keras. Its own calibration is a moving average of
minimum and maximum whatever the algorithm (MSE and OCTAV are for weights alone), so int16x8 takes
its ranges from `quantize.calibrate` instead. `aeq_int8_tflite` is its default, to compare against.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from ai_edge_quantizer import recipe
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.qtyping import TFLOperationName
from ai_edge_quantizer.quantizer import Quantizer

from skinedge.errors import CompressionError, UsageError
from skinedge.train.batches import normalise

from .convert import converted

__all__ = ["INT4_WEIGHTS", "WEIGHT_ALGORITHMS", "aeq_int8_tflite", "int4_tflite", "int16_from"]

WEIGHT_ALGORITHMS = {
    "min-max": AlgorithmName.MIN_MAX_UNIFORM_QUANT,
    "mse": AlgorithmName.MSE,
    "octav": AlgorithmName.OCTAV,
}
INT4_WEIGHTS = 200_000
_SIGNATURE = "serving_default"
_Ranges = dict[str, dict[str, np.ndarray]]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars, no warnings about kernels with a channel of zeros."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _quantize(what: str, quantizer: Quantizer, ranges: _Ranges | None) -> bytes:
    """Quantize, and make sure that the heads are still where the signature says.

    The quantizer appends the weights behind the flatbuffer, at offsets that whoever writes the
    model again would have to mend; here they are put back into it.
    """

    def run() -> bytes:
        with _quiet():
            result = quantizer.quantize(
                ranges, enable_progress_bar=False, enable_progress_report=False
            )
        return bytes(result.quantized_model)

    content = converted(what, run)
    model = flatbuffer_utils.read_model_from_bytearray(content)
    outputs = {int(index) for index in model.subgraphs[0].outputs}
    named = {int(head.tensorIndex) for head in model.signatureDefs[0].outputs}
    if outputs != named:
        # Seen where the operator of an output stays float: read by name, the head is stale memory.
        raise CompressionError(f"{what}: AI Edge Quantizer lost a head; its outputs have no names")
    for buffer in model.buffers:
        if buffer.data is not None:  # bytes are packed one by one, an array at once
            buffer.data = np.frombuffer(buffer.data, np.uint8)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _ranges(calibrated: bytes) -> _Ranges:
    graph = schema.ModelT.InitFromPackedBuf(calibrated, 0).subgraphs[0]
    return {
        tensor.name.decode(): {
            "min": np.asarray(tensor.quantization.min, np.float32),
            "max": np.asarray(tensor.quantization.max, np.float32),
        }
        for tensor in graph.tensors
        if tensor.quantization is not None and tensor.quantization.min is not None
    }


def _any_of(tensors: Sequence[str]) -> str:
    """A pattern of the scopes of the operators that write one of these each: its name with a
    semicolon behind it. A name may be the beginning of another."""
    return "|".join(f"^{re.escape(name)};$" for name in tensors)


def _leave_float(quantizer: Quantizer, kind: TFLOperationName, tensors: str = ".*") -> None:
    quantizer.update_quantization_recipe(tensors, kind, algorithm_key=AlgorithmName.NO_QUANTIZE)


def int16_from(calibrated: bytes, denied: Sequence[str]) -> bytes:
    """int16 activations, int8 weights per channel, float32 in and out.

    The TFLite converter's own int16 takes no deny-list.

    Args:
        calibrated: from `quantize.calibrate`.
        denied: tensors whose operators stay float32.

    Raises:
        CompressionError: the quantizer refused.
    """
    quantizer = Quantizer(calibrated, recipe.static_wi8_ai16())
    _leave_float(quantizer, TFLOperationName.INPUT)
    _leave_float(quantizer, TFLOperationName.OUTPUT)
    if denied:
        _leave_float(quantizer, TFLOperationName.ALL_SUPPORTED, _any_of(denied))
    return _quantize("int16x8", quantizer, _ranges(calibrated))


def _large(float32: bytes, smallest: int) -> list[str]:
    """Tensors written by convolutions and dense layers with at least so many weights."""
    model = schema.ModelT.InitFromPackedBuf(float32, 0)
    graph, codes = model.subgraphs[0], [code.builtinCode for code in model.operatorCodes]
    kinds = (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED)
    return [
        graph.tensors[operator.outputs[0]].name.decode()
        for operator in graph.operators
        if codes[operator.opcodeIndex] in kinds
        and np.prod(graph.tensors[operator.inputs[1]].shape) >= smallest
    ]


def int4_tflite(float32: bytes, smallest: int = INT4_WEIGHTS, algorithm: str = "min-max") -> bytes:
    """int4 weights per channel where there are many, int8 per channel in all other layers.

    Activations stay float32 in the file and are quantized to int8 image by image as it runs. AI
    Edge Quantizer has no int4 for depthwise convolutions, and blockwise int4 for dense layers
    alone. The large layers of a mobile network, its last ones, bear int4; the small ones do not.

    Args:
        float32: from `convert.float32_tflite`.
        smallest: weights that a convolution or dense layer must have for int4; 0 takes all.
        algorithm: a row of `WEIGHT_ALGORITHMS`: how int4 weights are rounded.

    Raises:
        CompressionError: the quantizer refused.
        UsageError: there is no such algorithm.
    """
    if algorithm not in WEIGHT_ALGORITHMS:
        known = ", ".join(WEIGHT_ALGORITHMS)
        raise UsageError(f"unknown algorithm {algorithm!r} for weights; there are: {known}")
    quantizer = Quantizer(float32, recipe.dynamic_wi8_afp32())
    if large := _large(float32, smallest):
        for kind in (TFLOperationName.CONV_2D, TFLOperationName.FULLY_CONNECTED):
            quantizer.add_dynamic_config(
                _any_of(large), kind, 4, algorithm_key=WEIGHT_ALGORITHMS[algorithm]
            )
    return _quantize("int4", quantizer, None)


def aeq_int8_tflite(float32: bytes, representative: np.ndarray) -> bytes:
    """What AI Edge Quantizer does by default, `static_wi8_ai8`: to compare against.

    Input and output are int8 with scales of its own: `heads.run_heads` reads them, SkinEdge's
    edge library, which takes raw pixels, does not.

    Args:
        float32: from `convert.float32_tflite`.
        representative: uint8 `[n, H, W, 3]`.

    Raises:
        CompressionError: the quantizer refused.
    """
    quantizer = Quantizer(float32, recipe.static_wi8_ai8())
    images: list[dict[str, Any]] = [{"pixels": normalise(i[np.newaxis])} for i in representative]
    try:
        with _quiet():
            ranges = quantizer.calibrate({_SIGNATURE: images}, num_threads=1)
    except Exception as error:  # as in `converted`, but a calibration is no bytes
        raise CompressionError(f"AI Edge Quantizer cannot calibrate: {error}") from error
    return _quantize("AI Edge Quantizer's int8", quantizer, ranges)
