"""What a `.tflite` says it costs: read from the flatbuffer, without TensorFlow and without running.

    operators(content)    # one `Operator` each, in the order they run, not timed
    macs(content), parameters(content), activations(content), outside(content)

Only the first subgraph counts: a SkinEdge model has no other.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools.flatbuffer_utils import (
    get_builtin_code_from_operator_code,
    read_model_from_bytearray,
)

from skinedge.benchmarks.results import Operator
from skinedge.delegate import plan
from skinedge.errors import ModelFileError

__all__ = [
    "activations",
    "constants",
    "kind",
    "macs",
    "operators",
    "outside",
    "parameters",
    "precision",
    "read",
]

_KINDS = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")
}
_TYPES = {code: name for name, code in vars(schema.TensorType).items() if not name.startswith("_")}

BITS = {
    "BFLOAT16": 16,
    "BOOL": 8,
    "FLOAT16": 16,
    "FLOAT32": 32,
    "FLOAT64": 64,
    "INT2": 2,
    "INT4": 4,
    "INT8": 8,
    "INT16": 16,
    "INT32": 32,
    "INT64": 64,
    "UINT4": 4,
    "UINT8": 8,
    "UINT16": 16,
    "UINT32": 32,
    "UINT64": 64,
}

VIEWS = {"EXPAND_DIMS", "RESHAPE", "SQUEEZE"}
"""They only rename the bytes that are there."""

WEIGHTS = {  # input that holds them
    "BATCH_MATMUL": 1,
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "FULLY_CONNECTED": 1,
    "TRANSPOSE_CONV": 1,
}


def read(content: bytes) -> Any:
    """The model as the schema's `ModelT`, buffers outside the tables resolved.

    Raises:
        ModelFileError: the bytes are no TFLite model.
    """
    if content[4:8] != b"TFL3":
        raise ModelFileError("not a TensorFlow Lite file; copy or export it again")
    # AI Edge Quantizer stores weights behind the tables; the plain schema reads those as empty.
    return read_model_from_bytearray(bytearray(content))


def kind(model: Any, operator: Any) -> str:
    """An operator's type, `CONV_2D`; a custom one by its own name."""
    code = model.operatorCodes[operator.opcodeIndex]
    if code.customCode:
        return str(code.customCode.decode())
    return _KINDS[get_builtin_code_from_operator_code(code)]


def _stored(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def constants(model: Any) -> set[int]:
    """Tensors that are known before the model runs.

    Stored ones, and what DEQUANTIZE makes of them: LiteRT unpacks float16 weights once, at load.
    """
    graph = model.subgraphs[0]
    known = {index for index, tensor in enumerate(graph.tensors) if _stored(model, tensor)}
    for operator in graph.operators:
        if kind(model, operator) == "DEQUANTIZE" and set(operator.inputs) <= known:
            known |= set(operator.outputs)
    return known


def _elements(tensor: Any) -> int:
    return math.prod(int(size) for size in (tensor.shape if tensor.shape is not None else ()))


def _bytes(tensor: Any) -> int:
    # Strings and resources have no width of their own; none is part of a network's work.
    return math.ceil(_elements(tensor) * BITS.get(_TYPES[tensor.type], 0) / 8)


def _used(indices: Any) -> set[int]:
    return {int(index) for index in (indices if indices is not None else ()) if index >= 0}


def _macs(name: str, operator: Any, tensors: Any) -> int:
    """Multiply-accumulates: `train.zoo.cost` counts the same on the Keras side."""
    if name not in WEIGHTS:
        return 0
    inputs = [tensors[index] for index in operator.inputs]
    weights, written = inputs[WEIGHTS[name]].shape, _elements(tensors[operator.outputs[0]])
    if name == "CONV_2D":
        return written * math.prod(weights[1:])
    if name == "DEPTHWISE_CONV_2D":
        return written * math.prod(weights[1:3])
    if name == "FULLY_CONNECTED":
        return written * int(weights[-1])
    if name == "TRANSPOSE_CONV":  # every input position writes a whole kernel
        return _elements(inputs[2]) * math.prod(weights[:3])
    options = operator.builtinOptions
    return written * int(inputs[0].shape[-2 if options and options.adjX else -1])


def operators(content: bytes) -> tuple[Operator, ...]:
    """Every operator in the order of the file, which is the order they run, without times.

    `bytes` is all tensors an operator reads or writes, each once, at the width of its type; int4
    is half a byte. Reshapes move nothing, nor does what LiteRT computes once at load.

    Raises:
        ModelFileError: the bytes are no TFLite model.
    """
    model = read(content)
    tensors, known = model.subgraphs[0].tensors, constants(model)
    found = []
    for operator in model.subgraphs[0].operators:
        name = kind(model, operator)
        moved = _used(operator.inputs) | _used(operator.outputs)
        if name in VIEWS or _used(operator.outputs) <= known:
            moved = set()
        # CALL_ONCE, which sets variables up, has no output.
        label = next((tensors[index].name for index in operator.outputs), None) or b""
        found.append(
            Operator(
                name=label.decode(errors="replace"),
                kind=name,
                macs=_macs(name, operator, tensors),
                bytes=sum(_bytes(tensors[index]) for index in moved),
            )
        )
    return tuple(found)


def macs(content: bytes) -> int:
    """Multiply-accumulates for one image; see `operators`."""
    return sum(operator.macs for operator in operators(content))


def parameters(content: bytes) -> int:
    """Numbers that training found: weights, biases and other stored constants of the network.

    Those are the stored tensors of floats, and those of integers with a scale. Integers without
    one are shapes, axes and permutations. A buffer that several tensors share counts once.
    Batch normalisation is folded into its convolution, so Keras counts more.
    """
    model = read(content)
    found: dict[int, int] = {}
    for tensor in model.subgraphs[0].tensors:
        scales = tensor.quantization.scale if tensor.quantization else None
        learnt = "FLOAT" in _TYPES[tensor.type] or (scales is not None and len(scales) > 0)
        if learnt and _stored(model, tensor):
            found[int(tensor.buffer)] = _elements(tensor)
    return sum(found.values())


def activations(content: bytes) -> int:
    """Bytes of all tensors alive at once, at the worst moment, if operators run in file order.

    A tensor lives from the operator that writes it to the last that reads it; inputs from the
    start, outputs to the end; constants are not counted. No allocator can do with less in this
    order, and a delegate that pads or copies needs more.
    """
    model = read(content)
    graph, known = model.subgraphs[0], constants(model)
    born = dict.fromkeys(_used(graph.inputs), 0)
    last: dict[int, int] = dict.fromkeys(_used(graph.outputs), len(graph.operators))
    for step, operator in enumerate(graph.operators):
        for index in _used(operator.outputs) - known:
            born.setdefault(index, step)
        for index in (_used(operator.inputs) | _used(operator.outputs)) - known:
            last[index] = max(step, last.get(index, step))
    alive = [0] * (len(graph.operators) + 1)
    for index, start in born.items():
        for step in range(start, last.get(index, start) + 1):
            alive[step] += _bytes(graph.tensors[index])
    return max(alive)


def precision(content: bytes) -> str:
    """What most multiply-accumulates are done in: `int8`, where weights are integers, or `float32`.

    A model with int8 weights and float activations counts as int8: XNNPACK quantizes those
    activations as they come and multiplies integers.
    """
    model = read(content)
    tensors = model.subgraphs[0].tensors
    counts: Counter[bool] = Counter()
    for operator in model.subgraphs[0].operators:
        name = kind(model, operator)
        if name in WEIGHTS:
            stored = _TYPES[tensors[operator.inputs[WEIGHTS[name]]].type]
            counts["INT" in stored] += _macs(name, operator, tensors)
    return "int8" if counts[True] > counts[False] else "float32"


def outside(content: bytes) -> dict[str, int]:
    """Operators that no delegate runs, by type.

    Raises:
        ModelFileError: the interpreter cannot run the model.
    """
    try:
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelFileError(f"LiteRT cannot run this model: {reason}") from error
    return dict(Counter(entry.split(" ")[0] for entry in plan(interpreter).outside))
