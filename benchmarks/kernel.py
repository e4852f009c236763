"""What this processor can do: the fastest convolution LiteRT runs here, and a copy of memory.

    macs_per_second("int8"), bytes_per_second()

A roof must be a rate that no layer beats. So the kernel is the one that suits the processor best,
a 1x1 convolution of many channels, which LiteRT runs as one matrix product; and the figure is its
fastest run, because other programs, interrupts and a cold cache only ever make it slower.
"""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

__all__ = ["SHAPES", "bytes_per_second", "convolution", "macs_per_second"]

SHAPES = ((48, 128, 128), (24, 256, 256), (12, 512, 512))
"""Side of the map, channels in, channels out: 38 million multiply-accumulates each.

Which one suits best depends on cache and instruction set: the first has the smallest weights, the
last the smallest map. All do sixty or more per byte in int8 and fifteen in float32, so memory does
not hold them up.
"""

ARRAYS = 4
INPUT_SCALE, WEIGHT_SCALE, OUTPUT_SCALE = 1 / 64, 1 / 128, 1 / 4
INPUT_ZERO, OUTPUT_ZERO = -3, 5

_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "int32": schema.TensorType.INT32,
}


def _quantization(scales: np.ndarray, zero: int) -> Any:
    found = schema.QuantizationParametersT()
    found.scale = scales.astype(np.float32)
    found.zeroPoint = np.full(scales.size, zero, np.int64)
    return found


def _tensor(
    model: Any, name: str, shape: tuple[int, ...], dtype: str, data: np.ndarray | None = None
) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type = name, list(shape), _TYPES[dtype]
    if data is not None:
        buffer = schema.BufferT()
        buffer.data = data.view(np.uint8).ravel()
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
    return tensor


def _random(
    precision: str, channels_in: int, channels_out: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights `[out, 1, 1, in]`, biases, and the scale of each channel's weights."""
    rng = np.random.default_rng(seed)
    shape = (channels_out, 1, 1, channels_in)
    scales = WEIGHT_SCALE * rng.uniform(0.5, 1.5, channels_out)
    if precision == "int8":
        weights = rng.integers(-127, 128, shape, np.int8)
        return weights, rng.integers(-9000, 9000, channels_out, np.int32), scales
    weights = rng.normal(size=shape).astype(np.float32)
    return weights, rng.normal(size=channels_out).astype(np.float32), scales


def convolution(
    precision: str, shape: tuple[int, int, int], seed: int = 0
) -> tuple[bytes, np.ndarray, np.ndarray, np.ndarray]:
    """A `.tflite` of one 1x1 convolution with random weights.

    Args:
        precision: `int8`, with a scale for each output channel, or `float32`.
        shape: see `SHAPES`.
        seed: of weights and biases.

    Returns:
        The file; its weights, biases and weight scales, so that a test can compute what it must.
    """
    side, channels_in, channels_out = shape
    weights, biases, scales = _random(precision, channels_in, channels_out, seed)
    model = schema.ModelT()
    model.version, model.buffers = 3, [schema.BufferT()]
    bias_type = "int32" if precision == "int8" else "float32"
    tensors = [
        _tensor(model, "input", (1, side, side, channels_in), precision),
        _tensor(model, "weights", weights.shape, precision, weights),
        _tensor(model, "biases", biases.shape, bias_type, biases),
        _tensor(model, "output", (1, side, side, channels_out), precision),
    ]
    if precision == "int8":
        one = np.ones(1)
        tensors[0].quantization = _quantization(one * INPUT_SCALE, INPUT_ZERO)
        tensors[1].quantization = _quantization(scales, 0)
        tensors[2].quantization = _quantization(scales * INPUT_SCALE, 0)
        tensors[3].quantization = _quantization(one * OUTPUT_SCALE, OUTPUT_ZERO)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CONV_2D
    code.version = 3  # the first that knows int8
    options = schema.Conv2DOptionsT()
    options.strideW = options.strideH = 1
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = [0, 1, 2], [3]
    operator.builtinOptionsType, operator.builtinOptions = (
        schema.BuiltinOptions.Conv2DOptions,
        options,
    )
    graph = schema.SubGraphT()
    graph.tensors, graph.operators, graph.inputs, graph.outputs = tensors, [operator], [0], [3]
    model.operatorCodes, model.subgraphs = [code], [graph]
    return bytes(convert_object_to_bytearray(model)), weights, biases, scales


def macs_per_second(precision: str, threads: int = 1, seconds: float = 0.4) -> float:
    """Multiply-accumulates a second of the best of `SHAPES`, in its fastest run.

    Args:
        precision: `int8` or `float32`.
        threads: of the interpreter.
        seconds: to spend; the shapes take turns, so that a slow moment hits all alike. Every
            shape runs five times at least, whatever that takes.
    """
    models = []
    for shape in SHAPES:
        interpreter = Interpreter(
            model_content=convolution(precision, shape)[0], num_threads=threads
        )
        interpreter.allocate_tensors()
        source = interpreter.get_input_details()[0]
        rng = np.random.default_rng(0)
        values = rng.integers(-100, 100, source["shape"]).astype(source["dtype"])
        interpreter.set_tensor(source["index"], values)
        interpreter.invoke()
        models.append((shape, interpreter))
    best, runs, end = 0.0, 0, time.perf_counter() + seconds
    while runs < 5 or time.perf_counter() < end:
        for (side, channels_in, channels_out), interpreter in models:
            start = time.perf_counter()
            interpreter.invoke()
            taken = time.perf_counter() - start
            best = max(best, side * side * channels_in * channels_out / taken)
        runs += 1
    return best


def _last_level_cache() -> int:
    """Bytes; 8 MiB where the system does not say, as on boards whose kernel lists no caches."""
    sizes = []
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text(encoding="ascii").strip()
        unit = {"K": 1 << 10, "M": 1 << 20}.get(text[-1:], 1)
        sizes.append(int(text.rstrip("KM")) * unit)
    return max(sizes, default=8 << 20)


def bytes_per_second(threads: int = 1, seconds: float = 1.2) -> float:
    """Bytes read and written a second by copying an array, in the fastest copy.

    The array is four times the last-level cache, within 32 to 256 MiB, so that it comes from
    memory. The time is shared by `ARRAYS` pairs one after the other: how fast a copy is depends on
    which pages the system gave.
    """
    size = min(max(4 * _last_level_cache(), 32 << 20), 256 << 20)
    with ThreadPoolExecutor(threads) as pool:
        return max(_fastest_copy(size, threads, pool, seconds / ARRAYS) for _ in range(ARRAYS))


def _fastest_copy(size: int, threads: int, pool: ThreadPoolExecutor, seconds: float) -> float:
    """Bytes read and written a second, of three copies of a new array at least."""
    source, target = np.ones(size, np.uint8), np.zeros(size, np.uint8)
    target[:] = 0  # numpy's zeros are no memory yet: the first write fetches the pages
    bounds = np.linspace(0, size, threads + 1).astype(int)
    parts = [slice(a, b) for a, b in itertools.pairwise(bounds)]
    best, runs, end = 0.0, 0, time.perf_counter() + seconds
    while runs < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        if threads == 1:
            np.copyto(target, source)
        else:
            list(pool.map(lambda part: np.copyto(target[part], source[part]), parts))
        best = max(best, 2 * size / (time.perf_counter() - start))
        runs += 1
    return best
