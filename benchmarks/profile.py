"""Where the time of a model goes, operator by operator, and how far that is from the limit.

    roof("edge", content)

The limit is a roofline: an operator needs at least its multiply-accumulates over what the best
kernel does in a second, and its bytes over what a copy of memory moves, whichever is longer. Two
things lie outside that picture. Tensors that stay in the cache come faster than a copy, so an
operator that only moves bytes can beat its bound. And depthwise convolutions have too little to
multiply per value loaded to keep the kernel's pace, so they stand far from it on every processor.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

from skinedge.benchmarks import graph, kernel, xnnpack
from skinedge.benchmarks.results import Operator, Roof

__all__ = ["alone", "assign", "cut", "roof"]

WARM_UP = 5

NAMES = {  # XNNPACK's, where they do not begin like TFLite's: lower case, letters and digits only
    "BATCH_MATMUL": ("batchmatrixmultiply", "fullyconnected"),
    "CONCATENATION": ("concatenate", "copy"),
    "CONV_2D": ("convolution", "fullyconnected"),
    "DEPTHWISE_CONV_2D": ("convolution",),
    "DEQUANTIZE": ("convert",),
    "EXPAND_DIMS": ("staticreshape", "copy"),
    "FULLY_CONNECTED": ("fullyconnected", "convolution"),
    "LOGISTIC": ("sigmoid",),
    "PAD": ("constantpad",),
    "QUANTIZE": ("convert",),
    "RELU": ("clamp",),
    "RELU6": ("clamp",),
    "RESHAPE": ("staticreshape", "copy"),
    "SQUEEZE": ("staticreshape", "copy"),
    "TRANSPOSE_CONV": ("deconvolution",),
}


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _alike(operator: Operator, step: xnnpack.Step) -> bool:
    names = NAMES.get(operator.kind, (_plain(operator.kind.removesuffix("_2D")),))
    return _plain(step.kind).startswith(names)


def _pairs(
    operators: Sequence[tuple[int, Operator]], steps: Sequence[xnnpack.Step]
) -> dict[int, int]:
    """Step -> position in `operators`, in order and as many as possible."""
    rows, columns = len(operators), len(steps)
    best = [[0] * (columns + 1) for _ in range(rows + 1)]
    for row in range(rows - 1, -1, -1):
        for column in range(columns - 1, -1, -1):
            taken = best[row + 1][column + 1] + 1
            alike = _alike(operators[row][1], steps[column])
            skipped = max(best[row + 1][column], best[row][column + 1])
            best[row][column] = max(taken, skipped) if alike else skipped
    found: dict[int, int] = {}
    row = column = 0
    while row < rows and column < columns:
        alike = _alike(operators[row][1], steps[column])
        if alike and best[row][column] == best[row + 1][column + 1] + 1:
            found[column] = row
            row, column = row + 1, column + 1
        elif best[row + 1][column] >= best[row][column + 1]:
            row += 1
        else:
            column += 1
    return found


def assign(operators: Sequence[Operator], steps: Sequence[xnnpack.Step]) -> list[float | None]:
    """Times of operators from those of the delegate's steps.

    The delegate names its steps by what it does, in the order of the operators, but leaves some
    out and adds some. The longest common sequence pairs the two; an added step counts with the
    operator before it. An operator without a step gets None: it was folded into another, or does
    nothing.

    Raises:
        ValueError: an operator that multiplies has no step, so the pairing cannot be trusted.
    """
    times: list[float | None] = [None] * len(operators)
    for step in steps:
        if step.operator is not None and step.operator < len(operators):
            times[step.operator] = (times[step.operator] or 0.0) + step.ms
    left = [(index, operators[index]) for index, ms in enumerate(times) if ms is None]
    inside = [step for step in steps if step.operator is None]
    pairs = _pairs(left, inside)
    current = left[0][0] if left else 0
    for column, step in enumerate(inside):
        if column in pairs:
            current = left[pairs[column]][0]
        times[current] = (times[current] or 0.0) + step.ms
    for operator, ms in zip(operators, times, strict=True):
        if operator.macs and ms is None:
            raise ValueError(f"no step of the delegate looks like {operator.kind} {operator.name}")
    return times


def cut(model: Any, index: int) -> bytes | None:
    """One operator of a model as a model of its own: its variable inputs are the graph's.

    Args:
        model: from `graph.read`.
        index: of the operator.

    Returns:
        None for what cannot stand alone: operators that call another subgraph, are computed at
        load, or take what is.
    """
    whole, known = model.subgraphs[0], graph.constants(model)
    operator = whole.operators[index]
    inputs, outputs = (
        [int(tensor) for tensor in side if tensor >= 0]
        for side in (operator.inputs, operator.outputs)
    )
    stored = {tensor for tensor in inputs if whole.tensors[tensor].buffer in _filled(model)}
    variable = list(dict.fromkeys(tensor for tensor in inputs if tensor not in stored))
    calls = {"CALL", "CALL_ONCE", "IF", "STABLEHLO_COMPOSITE", "WHILE"}
    unpacked = (known - stored) & {*inputs, *outputs}
    if not variable or unpacked or graph.kind(model, operator) in calls:
        return None
    order = list(dict.fromkeys([*inputs, *outputs]))
    tensors, buffers = [], [schema.BufferT()]
    for tensor in order:
        copied = schema.TensorT()
        copied.__dict__.update(whole.tensors[tensor].__dict__)
        copied.buffer = 0
        if tensor in stored:
            copied.buffer = len(buffers)
            buffers.append(model.buffers[whole.tensors[tensor].buffer])
        tensors.append(copied)
    single = schema.OperatorT()
    single.__dict__.update(operator.__dict__)
    single.opcodeIndex = 0
    single.inputs = [order.index(int(tensor)) if tensor >= 0 else -1 for tensor in operator.inputs]
    single.outputs = [order.index(tensor) for tensor in outputs]
    part, only = schema.ModelT(), schema.SubGraphT()
    only.tensors, only.operators = tensors, [single]
    only.inputs = [order.index(tensor) for tensor in variable]
    only.outputs = single.outputs
    part.version, part.buffers, part.subgraphs = 3, buffers, [only]
    part.operatorCodes = [model.operatorCodes[operator.opcodeIndex]]
    return bytes(convert_object_to_bytearray(part))


def _filled(model: Any) -> set[int]:
    return {
        index
        for index, buffer in enumerate(model.buffers)
        if buffer.data is not None and len(buffer.data)
    }


def _ready(content: bytes, threads: int) -> Callable[[], None]:
    """A function that runs a model on numbers of its input types, for timing."""
    interpreter = Interpreter(model_content=content, num_threads=threads)
    interpreter.allocate_tensors()
    for source in interpreter.get_input_details():
        rng = np.random.default_rng(0)
        values = rng.integers(0, 100, source["shape"]).astype(source["dtype"])
        interpreter.set_tensor(source["index"], values)
    return interpreter.invoke


def _medians(runners: Sequence[Callable[[], None] | None], runs: int) -> list[float | None]:
    """Median ms of each, timed in turn."""
    times: list[list[float]] = [[] for _ in runners]
    for run in range(-WARM_UP, runs):
        for runner, taken in zip(runners, times, strict=True):
            if runner is None:
                continue
            start = time.perf_counter()
            runner()
            if run >= 0:
                taken.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(taken) if taken else None for taken in times]


def alone(content: bytes, threads: int = 1, runs: int = 20) -> list[float | None]:
    """Median ms of every operator as a model of its own: where `xnnpack.steps` cannot tell.

    Each pays for a call of the interpreter and finds its weights in the cache, so the sum is not
    the model's time. None for what `cut` cannot cut or the interpreter refuses.
    """
    model = graph.read(content)
    runners: list[Callable[[], None] | None] = []
    for index in range(len(model.subgraphs[0].operators)):
        part = cut(model, index)
        try:
            runners.append(None if part is None else _ready(part, threads))
        except (RuntimeError, ValueError):
            runners.append(None)
    return _medians(runners, runs)


def _times(
    content: bytes, operators: Sequence[Operator], threads: int, runs: int
) -> list[float | None]:
    steps = xnnpack.steps(content, threads, runs)
    if steps is not None:
        try:
            return assign(operators, steps.steps)
        except ValueError:
            pass
    return alone(content, threads, runs)


# One figure for a report's two roofs: it varies more than they do.
_bandwidth = cache(kernel.bytes_per_second)


def roof(model_name: str, content: bytes, threads: int = 1, runs: int = 50) -> Roof:
    """What this processor could do with a model, and what it does.

    Args:
        model_name: of a subject of the report.
        content: its `.tflite`.
        threads: of interpreter and kernel.
        runs: timed ones; half of the model's before its operators' and half after, so that drift
            hits both.

    Returns:
        Operators with `ms` from inside the delegate, or from `alone` where LiteRT cannot tell.
        `accounted` is their sum over the median time of the whole model in `Interpreter`: far
        below 1 on a busy machine, whose other programs interrupt most runs of the model but each
        operator in few. `share` is the sum of bounds over that time, no bound above its
        operator's own time: what is in the caches need not come from memory.

    Raises:
        ModelFileError: the bytes are no TFLite model.
    """
    operators, precision = graph.operators(content), graph.precision(content)
    invoke = _ready(content, threads)
    macs_per_second = kernel.macs_per_second(precision, threads)
    bytes_per_second = _bandwidth(threads)
    half = max(1, runs // 2)
    before = _medians([invoke], half)
    times = _times(content, operators, threads, runs)
    after = _medians([invoke], half)
    whole = statistics.median(ms for ms in (*before, *after) if ms is not None)
    bounds = [
        1e3 * max(operator.macs / macs_per_second, operator.bytes / bytes_per_second)
        for operator in operators
    ]
    return Roof(
        model=model_name,
        precision=precision,
        macs_per_second=macs_per_second,
        bytes_per_second=bytes_per_second,
        operators=tuple(
            replace(operator, ms=ms, bound=bound)
            for operator, ms, bound in zip(operators, times, bounds, strict=True)
        ),
        share=sum(
            bound if ms is None else min(bound, ms) for bound, ms in zip(bounds, times, strict=True)
        )
        / whole,
        accounted=sum(ms or 0.0 for ms in times) / whole,
    )
