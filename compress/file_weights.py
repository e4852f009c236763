"""The weights of a network's layers, as a flatbuffer of it holds them.

The converter folds into kernels and biases what follows them, names operators after several
layers at once, and orders axes its own way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from skinedge.errors import CompressionError

__all__ = ["by_channel_of", "kernels_of"]

# Of each operator with a kernel: the order of the axes that takes it to Keras' order.
_TO_KERAS = {"CONV_2D": (1, 2, 3, 0), "DEPTHWISE_CONV_2D": (1, 2, 3, 0), "FULLY_CONNECTED": (1, 0)}
# Of each operator that treats every channel by itself: what its constant is.
_BY_CHANNEL = {"MUL": "factor", "ADD": "offset", "SUB": "offset"}  # SUB: offset - factor * mean


def _float(model: Any, tensor: Any) -> np.ndarray:
    """The numbers of a constant, dequantized.

    Raises:
        CompressionError: it is none, or of another type.
    """
    dtypes = {
        schema.TensorType.INT8: np.int8,
        schema.TensorType.INT32: np.int32,
        schema.TensorType.FLOAT32: np.float32,
    }
    data = model.buffers[tensor.buffer].data
    if tensor.type not in dtypes or data is None:
        raise CompressionError("cannot restore it: its weights are not int8 or float32")
    shape = [int(side) for side in tensor.shape]
    values = np.frombuffer(bytes(data), dtypes[tensor.type]).reshape(shape).astype(np.float64)
    if tensor.type == schema.TensorType.FLOAT32:
        return values
    steps = tensor.quantization
    zero = 0 if steps.zeroPoint is None else np.asarray(steps.zeroPoint, np.float64)
    scale = np.asarray(steps.scale, np.float64)
    if scale.size == 1:
        return np.asarray((values - zero) * scale).reshape(shape)
    axis = [1] * len(shape)
    axis[steps.quantizedDimension] = -1
    return np.asarray(values * scale.reshape(axis))  # by channel, there is no zero point


def _named(names: Sequence[str], layers: Iterable[str]) -> list[str]:
    """Which of `layers` each tensor's name is of, empty where of none or one cannot tell.

    The converter numbers what it has seen before: `net/stem_conv_1/convolution` is `stem_conv`'s.
    Where that is a layer's name too (`conv_1`), it is the one that no other tensor is surely of.
    After quantization-aware training it is `net/quant_stem_conv/Conv2D`.
    """
    known = set(layers)
    parts = [[word.removeprefix("quant_") for word in re.split("[/;]", name)] for name in names]
    found = [{y for x in words for y in (x, re.sub(r"_\d+$", "", x))} & known for words in parts]
    while True:
        sure = set().union(*(some for some in found if len(some) == 1))
        left = [some - sure if len(some) > 1 else some for some in found]
        if left == found:
            return [some.pop() if len(some) == 1 else "" for some in found]
        found = left


def _operators(
    model: Any, kinds: Iterable[str], layers: dict[str, Any]
) -> Iterator[tuple[Any, str, str]]:
    """(operator, its kind, its layer's name) of each of these kinds that is of one of `layers`."""
    graph, codes = model.subgraphs[0], [code.builtinCode for code in model.operatorCodes]
    kind_of = {getattr(schema.BuiltinOperator, kind): kind for kind in kinds}
    operators = [one for one in graph.operators if codes[one.opcodeIndex] in kind_of]
    outputs = [graph.tensors[operator.outputs[0]].name.decode() for operator in operators]
    for operator, name in zip(operators, _named(outputs, layers), strict=True):
        if name:
            yield operator, kind_of[codes[operator.opcodeIndex]], name


def _constants(model: Any, operator: Any) -> Iterator[Any]:
    """The tensors of an operator's inputs that the file has numbers for."""
    tensors = (model.subgraphs[0].tensors[index] for index in operator.inputs if index >= 0)
    return (tensor for tensor in tensors if model.buffers[tensor.buffer].data is not None)


def _by_number(model: Any) -> set[tuple[int, int]]:
    """(tensor, code of the operator) for each operator that reads a tensor and one number."""
    graph, codes = model.subgraphs[0], [code.builtinCode for code in model.operatorCodes]
    return {
        (int(index), codes[operator.opcodeIndex])
        for operator in graph.operators
        if any(np.prod(tensor.shape) == 1 for tensor in _constants(model, operator))
        for index in operator.inputs
    }


def _behind(layer: Any) -> tuple[float, float]:
    """(factor, offset) that alone follow a layer: a file may have them in its kernel and bias.

    Inception-ResNet scales what it adds to a residual stream, a hard sigmoid adds 3.
    """
    (node, *more) = layer._outbound_nodes or [None]
    if node is None or more:
        return 1.0, 0.0
    operation = node.operation
    if type(operation).__name__ == "CustomScaleLayer" and node.input_tensors[1] is layer.output:
        return float(operation.scale), 0.0
    if type(operation).__name__ != "Add":
        return 1.0, 0.0
    return 1.0, sum(value for value in node.arguments.args if isinstance(value, int | float))


def kernels_of(model: Any, layers: dict[str, Any]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Kernel, in Keras' order of axes, and bias of each of `layers` that the file names.

    A layer that is called twice has a bias in the file for each call, corrected by itself: their
    mean is returned.
    """
    tensors, by_number = model.subgraphs[0].tensors, _by_number(model)
    kernels: dict[str, np.ndarray] = {}
    biases: dict[str, list[np.ndarray]] = {}
    for operator, kind, name in _operators(model, _TO_KERAS, layers):
        layer = layers[name]
        kernel, *bias = (_float(model, tensors[i]) for i in operator.inputs[1:] if i >= 0)
        kernel = kernel.transpose(_TO_KERAS[kind])
        wanted = tuple(layer.kernel.shape)
        if kernel.size != np.prod(wanted):
            raise CompressionError(
                f"cannot restore it: {layer.name} is of another shape than its card says"
            )
        factor, offset = _behind(layer)
        # Training with the rounding rounds between the two, and so keeps them apart.
        if (operator.outputs[0], schema.BuiltinOperator.MUL) in by_number:
            factor = 1.0
        if (operator.outputs[0], schema.BuiltinOperator.ADD) in by_number:
            offset = 0.0
        zero = np.zeros(layer.output.shape[-1])
        kernels[name] = kernel.reshape(wanted) / factor
        biases.setdefault(name, []).append(((bias[0] if bias else zero) - offset) / factor)
    return {name: (kernel, np.mean(biases[name], axis=0)) for name, kernel in kernels.items()}


def by_channel_of(model: Any, layers: dict[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """`factor` and `offset` of each of `layers` where the file has them in operators of their own.

    Those are batch normalisations that follow no convolution (DenseNet), the group normalisation
    of SGE, and the bias of ECA's convolution.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    for operator, kind, name in _operators(model, _BY_CHANNEL, layers):
        channels = layers[name].weights[-1].shape[-1]
        for tensor in _constants(model, operator):
            # Of several the last: a group normalisation may first multiply by 1 / positions.
            if np.prod(tensor.shape) == channels:
                found.setdefault(name, {})[_BY_CHANNEL[kind]] = _float(model, tensor).ravel()
    return found
