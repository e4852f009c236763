"""Activation ranges better than minimum and maximum: give up rare values for finer steps.

The TFLite converter's calibrator knows minimum and maximum only, and AI Edge Quantizer's better
algorithms (MSE, OCTAV, GPTQ) are for weights. A calibrated flatbuffer is a float model with a
range beside every activation, so a better range can be written there before it is quantized.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from skinedge.errors import UsageError
from skinedge.train.batches import normalise

from .flatbuffer import packed

__all__ = ["RANGES", "tightened"]

BINS = 2048
LEVELS = 255
KEPT = 0.9999  # of the values, by `percentile`
SHARES = np.linspace(1.0, 0.3, 36)  # of a range's ends that `mse` tries
# A range this narrow is of a layer that no image made answer: its scale would be so fine that
# XNNPACK refuses the file (seen in CBAM's first squeeze, trained). It gets the range 0 to 1.
DEAD = 1e-5
_OPERATORS = schema.BuiltinOperator
# What these read and write has one scale, and the converter may take the narrowest range among
# them: the channel mean that CBAM puts beside its channel maximum clipped the features that both
# are of. docs/attention-int8.md has what that cost a trained one.
MAXIMA = (_OPERATORS.REDUCE_MAX, _OPERATORS.MAX_POOL_2D)
OF_ONE_SCALE = (*MAXIMA, _OPERATORS.RESHAPE, _OPERATORS.CONCATENATION)


def _percentile(counts: np.ndarray, edges: np.ndarray) -> tuple[float, float]:
    """The range that leaves out the same share of values at both ends."""
    share = np.cumsum(counts) / counts.sum()
    outside = (1 - KEPT) / 2
    low, high = np.searchsorted(share, (outside, 1 - outside))
    return float(edges[low]), float(edges[min(high + 1, BINS)])


def _mean_squared_error(counts: np.ndarray, edges: np.ndarray) -> tuple[float, float]:
    """The range with the least mean squared error of values rounded and clipped to it."""
    values = (edges[:-1] + edges[1:]) / 2
    best, low, high = np.inf, float(edges[0]), float(edges[-1])
    for start in SHARES if edges[0] < 0 else (1.0,):
        for end in SHARES if edges[-1] > 0 else (1.0,):
            bottom, top = edges[0] * start, edges[-1] * end
            step = (top - bottom) / LEVELS
            inside = np.clip(values, bottom, top)
            # Rounding to steps much finer than a bin is not seen there: its mean is step^2 / 12.
            error = float((counts * (values - inside) ** 2).sum() / counts.sum() + step**2 / 12)
            if error < best:
                best, low, high = error, float(bottom), float(top)
    return low, high


Choose = Callable[[np.ndarray, np.ndarray], tuple[float, float]]
RANGES: dict[str, Choose | None] = {
    "min-max": None,
    "percentile": _percentile,
    "mse": _mean_squared_error,
}


def _ranged(graph: Any) -> dict[int, Any]:
    """Index -> range of every activation that has one, but the input's: that one is pinned."""
    return {
        index: tensor.quantization
        for index, tensor in enumerate(graph.tensors)
        if tensor.quantization is not None
        and tensor.quantization.min is not None
        and len(tensor.quantization.min) == 1
        and tensor.type == schema.TensorType.FLOAT32
        and index not in graph.inputs
    }


def tightened(calibrated: bytes, representative: np.ndarray, ranges: str) -> bytes:
    """A calibrated flatbuffer with its ranges narrowed to what most values need; a layer that was
    zero on all images gets a range that the delegate can compute with (see `DEAD`), and what
    shares a maximum's scale the widest range among it (see `MAXIMA`).

    Args:
        calibrated: from `quantize.calibrate`.
        representative: uint8 `[n, H, W, 3]`, whose values decide.
        ranges: `min-max` leaves them as they are; `percentile` leaves out one value in 10,000;
            `mse` has the least mean squared error.

    Raises:
        UsageError: there are no such ranges.
    """
    if ranges not in RANGES:
        raise UsageError(f"unknown ranges {ranges!r}; there are: {', '.join(RANGES)}")
    choose = RANGES[ranges]
    model = schema.ModelT.InitFromPackedBuf(calibrated, 0)
    records = _ranged(model.subgraphs[0])
    dead = {index for index, r in records.items() if max(-r.min[0], r.max[0]) < DEAD}
    if choose is not None:
        alive = {index: record for index, record in records.items() if index not in dead}
        _narrow(alive, calibrated, representative, choose)
    for index in dead:
        records[index].min, records[index].max = [0.0], [1.0]
    if not (_widen_maxima(model, records) or dead or choose):
        return calibrated
    return packed(model)


def _widen_maxima(model: Any, records: dict[int, Any]) -> bool:
    """Give all that shares a maximum's scale the widest range among it; whether any changed."""
    codes = [code.builtinCode for code in model.operatorCodes]
    ties = [
        (codes[operator.opcodeIndex], {int(i) for i in (*operator.inputs, *operator.outputs)})
        for operator in model.subgraphs[0].operators
        if codes[operator.opcodeIndex] in OF_ONE_SCALE
    ]
    changed = False
    for kind, group in ties:
        if kind not in MAXIMA:
            continue
        group = group & set(records)
        while more := {i for _, tie in ties if tie & group for i in tie & set(records)} - group:
            group |= more
        ranges = {(records[i].min[0], records[i].max[0]) for i in group}
        low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
        changed |= len(ranges) > 1
        for i in group:
            records[i].min, records[i].max = [low], [high]
    return changed


def _narrow(records: dict[int, Any], calibrated: bytes, images: np.ndarray, choose: Choose) -> None:
    """Write what `choose` makes of each tensor's values on all images into its record."""
    edges = {
        # Zero is in every range: padding and ReLU need it exactly.
        index: np.linspace(min(0.0, record.min[0]), max(0.0, record.max[0]), BINS + 1)
        for index, record in records.items()
    }
    counts = {index: np.zeros(BINS) for index in edges}
    interpreter = Interpreter(model_content=calibrated, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    pixels = interpreter.get_input_details()[0]["index"]
    for image in images:
        interpreter.set_tensor(pixels, normalise(image[np.newaxis]))
        interpreter.invoke()
        for index, bins in edges.items():
            values = interpreter.get_tensor(index)
            counts[index] += np.histogram(values, BINS, (bins[0], bins[-1]))[0]
    for index, bins in edges.items():
        if counts[index].sum():
            low, high = choose(counts[index], bins)
            records[index].min, records[index].max = [min(0.0, low)], [max(0.0, high)]
