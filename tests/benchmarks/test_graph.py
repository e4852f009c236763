"""What a flatbuffer says it costs: the shipped model's known figures, and counts by hand."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

from skinedge.benchmarks import graph, kernel
from skinedge.errors import ModelFileError
from skinedge.model_file import EMBEDDED

SHIPPED = EMBEDDED.read_bytes()
MACS = 440_671_460  # of train.zoo.cost for EfficientNet-Lite2 with Soft-Attention at 192 px


def test_the_shipped_model_multiplies_as_often_as_its_keras_model() -> None:
    assert graph.macs(SHIPPED) == MACS
    assert graph.precision(SHIPPED) == "int8"


def test_operators_come_in_the_order_they_run() -> None:
    operators = graph.operators(SHIPPED)
    assert [operator.kind for operator in operators[:3]] == [
        "QUANTIZE",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
    ]
    assert (operators[-1].kind, operators[-1].name) == ("QUANTIZE", "probabilities")
    stem = operators[1]
    assert stem.macs == 96 * 96 * 32 * 3 * 3 * 3
    assert stem.bytes == 192 * 192 * 3 + 96 * 96 * 32 + 32 * 27 + 4 * 32
    assert all(operator.ms is None and operator.bound is None for operator in operators)


def test_parameters_make_up_most_of_the_file() -> None:
    """A byte each, but for biases of four; the rest is names, scales and metadata."""
    assert 0.85 * len(SHIPPED) < graph.parameters(SHIPPED) < len(SHIPPED)


def test_activations_lie_between_the_largest_tensor_and_all_of_them() -> None:
    model = graph.read(SHIPPED)
    known = graph.constants(model)
    sizes = [
        graph._bytes(tensor)
        for index, tensor in enumerate(model.subgraphs[0].tensors)
        if index not in known
    ]
    peak = graph.activations(SHIPPED)
    # The widest layer of EfficientNet-Lite2: 96 channels at 96 px in, the same at 48 px out.
    assert peak == 96 * 96 * 96 + 48 * 48 * 96
    assert max(sizes) < peak < sum(sizes)


def test_one_partition_leaves_four_small_operators_outside() -> None:
    assert graph.outside(SHIPPED) == {"QUANTIZE": 3, "SOFTMAX": 1}


@pytest.mark.parametrize(("precision", "width", "bias"), [("int8", 1, 4), ("float32", 4, 4)])
def test_a_convolution_is_counted_as_by_hand(precision: str, width: int, bias: int) -> None:
    content = kernel.convolution(precision, (6, 16, 24))[0]
    (operator,) = graph.operators(content)
    assert (operator.kind, operator.name, operator.macs) == ("CONV_2D", "output", 36 * 16 * 24)
    assert operator.bytes == width * (36 * 16 + 36 * 24 + 16 * 24) + bias * 24
    assert graph.parameters(content) == 16 * 24 + 24
    assert graph.activations(content) == width * 36 * (16 + 24)
    assert graph.precision(content) == precision


def _one(
    kind: str, shapes: list[tuple[int, ...]], output: tuple[int, ...], dtype: str, stored: set[int]
) -> bytes:
    """A file of one operator that nobody can run, but whose costs can be counted."""
    model, part = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers, part.tensors = 3, [schema.BufferT()], []
    for index, shape in enumerate([*shapes, output]):
        tensor = schema.TensorT()
        tensor.name, tensor.shape = f"tensor{index}", list(shape)
        tensor.type = getattr(schema.TensorType, dtype)
        if index in stored:
            tensor.buffer = len(model.buffers)
            buffer = schema.BufferT()
            buffer.data = np.ones(4, np.uint8)
            model.buffers.append(buffer)
        part.tensors.append(tensor)
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = getattr(schema.BuiltinOperator, kind)
    operator.inputs, operator.outputs = list(range(len(shapes))), [len(shapes)]
    part.operators, part.outputs = [operator], [len(shapes)]
    part.inputs = [index for index in range(len(shapes)) if index not in stored]
    model.operatorCodes, model.subgraphs = [code], [part]
    return bytes(convert_object_to_bytearray(model))


@pytest.mark.parametrize(
    ("kind", "shapes", "output", "macs"),
    [
        ("DEPTHWISE_CONV_2D", [(1, 8, 8, 6), (1, 3, 3, 6)], (1, 4, 4, 6), 4 * 4 * 6 * 9),
        ("FULLY_CONNECTED", [(1, 20), (7, 20)], (1, 7), 7 * 20),
        ("TRANSPOSE_CONV", [(4,), (5, 2, 2, 3), (1, 4, 4, 3)], (1, 8, 8, 5), 16 * 3 * 5 * 4),
        ("BATCH_MATMUL", [(2, 3, 4), (2, 4, 5)], (2, 3, 5), 2 * 3 * 4 * 5),
        ("ADD", [(1, 9), (1, 9)], (1, 9), 0),
    ],
)
def test_multiply_accumulates_of_each_type(
    kind: str, shapes: list[tuple[int, ...]], output: tuple[int, ...], macs: int
) -> None:
    assert graph.macs(_one(kind, shapes, output, "INT8", {1})) == macs


def test_int4_is_half_a_byte_and_a_reshape_moves_nothing() -> None:
    small = _one("FULLY_CONNECTED", [(1, 20), (7, 20)], (1, 7), "INT4", {1})
    assert graph.operators(small)[0].bytes == 10 + 70 + 4
    view = _one("RESHAPE", [(1, 20)], (4, 5), "INT8", set())
    assert graph.operators(view)[0].bytes == 0


def test_weights_behind_the_tables_are_found() -> None:
    """AI Edge Quantizer writes them there and leaves offsets in the buffers."""
    model = graph.read(kernel.convolution("float32", (2, 8, 8))[0])
    data = [bytes(buffer.data) for buffer in model.buffers if buffer.data is not None]
    # Offsets are integers of a fixed width, so a file of placeholders is as long as the final one.
    content = b""
    for _ in range(2):
        at = len(content) or 1
        for buffer, values in zip(model.buffers[1:], data, strict=True):
            buffer.data, buffer.offset, buffer.size = None, at, len(values)
            at += len(values)
        content = bytes(convert_object_to_bytearray(model))
    assert graph.parameters(content + b"".join(data)) == 8 * 8 + 8


def test_an_operator_without_outputs_has_no_name() -> None:
    """CALL_ONCE, in files whose variables are set up first."""
    model = graph.read(_one("FULLY_CONNECTED", [(1, 20), (7, 20)], (1, 7), "INT8", {1}))
    (operator,) = model.subgraphs[0].operators
    operator.outputs = np.array([], np.int32)
    model.operatorCodes[0].builtinCode = schema.BuiltinOperator.CALL_ONCE
    (found,) = graph.operators(bytes(convert_object_to_bytearray(model)))
    assert (found.name, found.kind, found.macs) == ("", "CALL_ONCE", 0)


def test_other_bytes_are_refused() -> None:
    with pytest.raises(ModelFileError, match="not a TensorFlow Lite file"):
        graph.operators(b"PK\x03\x04 something else")
