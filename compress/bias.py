"""Take back, channel by channel, the mean error that int8 makes in each layer.

Rounded weights and clipped activations shift the mean of what a layer computes, in every image
alike, and a bias is there to shift it back (bias correction: Nagel et al. 2019, arXiv 1906.04721,
section 4.2, with the data of its appendix D). Layers are corrected in the order in which they
run, each behind the corrected ones, through the interpreter that ships. No labels are used.

The maps gain as the answers do: unlike the refit of the last layer, this reaches the attention.
`python -m skinedge.benchmarks.bias_correction` measures both.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from skinedge.train.batches import normalise

__all__ = ["bias_corrected", "with_biases_of"]

_BIASED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_RELUS = (schema.ActivationFunctionType.RELU, schema.ActivationFunctionType.RELU6)
# A bias moves the mean by the share of values that the activation lets through. Where hardly any
# passes, a small error would ask for a large step.
_LEAST_OPEN = 0.1


def _packed(model: Any, size: int) -> bytes:
    builder = flatbuffers.Builder(size)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _layers(model: Any) -> list[tuple[int, Any]]:
    """(position, operator) of those that can add a bias, in the order they run."""
    kinds = {getattr(schema.BuiltinOperator, kind) for kind in _BIASED}
    codes = [code.builtinCode for code in model.operatorCodes]
    operators = enumerate(model.subgraphs[0].operators)
    return [(at, operator) for at, operator in operators if codes[operator.opcodeIndex] in kinds]


def _own_biases(model: Any) -> list[Any]:
    """Of each of these layers the tensor of its int32 bias, None where it is not its own.

    A bias that several layers share cannot be right for each of them.
    """
    tensors = model.subgraphs[0].tensors
    third = [[*operator.inputs[2:], -1][0] for _, operator in _layers(model)]
    found = [tensors[index] if index >= 0 else None for index in third]
    uses = Counter(bias.buffer for bias in found if bias is not None)
    int32 = schema.TensorType.INT32
    return [
        bias if bias is not None and bias.type == int32 and uses[bias.buffer] == 1 else None
        for bias in found
    ]


def _float_means(
    calibrated: bytes, tensors: list[int], images: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each tensor (mean, share of values where a ReLU or ReLU6 is not flat) by channel."""
    interpreter = Interpreter(
        model_content=calibrated,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
        num_threads=2,
    )
    interpreter.allocate_tensors()
    pixels = interpreter.get_input_details()[0]["index"]
    sums: list[Any] = [0.0] * len(tensors)
    for image in images:
        interpreter.set_tensor(pixels, normalise(image[np.newaxis]))
        interpreter.invoke()
        for i, tensor in enumerate(tensors):
            values = interpreter.get_tensor(tensor)
            values = values.reshape(-1, values.shape[-1])
            flat = (values == 0) | (values == 6)
            sums[i] += np.stack([values.mean(axis=0, dtype=np.float64), 1 - flat.mean(axis=0)])
    return [tuple(total / len(images)) for total in sums]


def _int8_means(model: Any, position: int, size: int, images: np.ndarray) -> np.ndarray:
    """Mean by channel of what the operator at a position writes, dequantized."""
    graph = model.subgraphs[0]
    operators, outputs, signatures = graph.operators, graph.outputs, model.signatureDefs
    # The network up to there, so that the delegate runs it and nothing behind it is computed.
    graph.operators = operators[: position + 1]
    graph.outputs = operators[position].outputs
    model.signatureDefs = []
    try:
        interpreter = Interpreter(model_content=_packed(model, size), num_threads=2)
    finally:
        graph.operators, graph.outputs, model.signatureDefs = operators, outputs, signatures
    interpreter.allocate_tensors()
    pixels = interpreter.get_input_details()[0]["index"]
    (output,) = interpreter.get_output_details()
    scale, zero = output["quantization"]
    total: Any = 0
    for image in images:
        interpreter.set_tensor(pixels, image[np.newaxis])
        interpreter.invoke()
        values = interpreter.get_tensor(output["index"])
        total += values.reshape(-1, values.shape[-1]).mean(axis=0, dtype=np.float64)
    return (total / len(images) - zero) * scale


def bias_corrected(int8: bytes, calibrated: bytes, images: np.ndarray) -> bytes:
    """An int8 file whose biases are moved by the mean error of each output channel.

    Layers that stayed float, and those that share a bias, keep theirs.

    Args:
        int8: from `quantize.int8_from`.
        calibrated: the float network that it was made of, from `quantize.calibrate`.
        images: uint8 `[n, H, W, 3]`, of the training split.
    """
    full = schema.ModelT.InitFromPackedBuf(calibrated, 0)
    model = schema.ModelT.InitFromPackedBuf(int8, 0)
    outputs = [int(layer.outputs[0]) for _, layer in _layers(full)]
    wanted = _float_means(calibrated, outputs, images)
    # The same layers in the same order; one calls its numbers by other names than the other.
    rows = zip(_layers(model), _own_biases(model), wanted, strict=True)
    for (position, layer), bias, (mean, passing) in rows:
        if bias is None:
            continue
        error = mean - _int8_means(model, position, len(int8), images)
        if layer.builtinOptions.fusedActivationFunction in _RELUS:
            error /= np.maximum(passing, _LEAST_OPEN)
        steps = np.round(error / np.asarray(bias.quantization.scale)).astype(np.int32)
        values = np.frombuffer(bytes(model.buffers[bias.buffer].data), np.int32)
        model.buffers[bias.buffer].data = np.frombuffer((values + steps).tobytes(), np.uint8)
    return _packed(model, len(int8))


def with_biases_of(int8: bytes, corrected: bytes) -> bytes:
    """The first file with the second's biases, those of the last layer excepted.

    Args:
        int8: a network whose last layer alone was refitted since.
        corrected: from `bias_corrected`.
    """
    model = schema.ModelT.InitFromPackedBuf(int8, 0)
    source = schema.ModelT.InitFromPackedBuf(corrected, 0)
    pairs = list(zip(_own_biases(model), _own_biases(source), strict=True))
    for bias, other in pairs[:-1]:
        if bias is not None:
            model.buffers[bias.buffer].data = source.buffers[other.buffer].data
    return _packed(model, len(int8))
