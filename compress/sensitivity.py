"""Which operator costs how much under int8? Each one left float in turn, measured on images.

The model is calibrated once; quantizing again with one more operator on the converter's deny-list
takes a third of a second, so that every operator of a mobile network can be tried in minutes. A
figure is what the answers gain when that operator alone stays float: it is found by running the
whole model, so an error that a later operator swallows costs nothing, and one that two operators
in a row make alike (a scale that both need) shows at neither.

    rows = sensitivity(model, calibration, images, FLOAT_IN_INT8)
    print(markdown(rows))
    more = choose(rows, budget=3)
    int8_tflite(model, calibration, FLOAT_IN_INT8 + (f"|{more}" if more else ""))
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from skinedge.errors import CompressionError

from .convert import float32_tflite
from .fidelity import fidelity
from .heads import Heads, plan, run_heads
from .quantize import calibrate, denied, int8_from

__all__ = ["EVERYTHING", "Sensitivity", "choose", "markdown", "measure", "sensitivity"]

EVERYTHING = ""
# They only move numbers: left float, they pull a dequantize and a quantize behind them.
MOVES = {"RESHAPE", "TRANSPOSE", "CONCATENATION", "STRIDED_SLICE", "PAD", "QUANTIZE", "DEQUANTIZE"}


@dataclass(frozen=True)
class Sensitivity:
    """int8 with one operator left float.

    Attributes:
        tensor: what the operator writes, as the deny-list names it; empty for the reference row,
            in which no further operator is float.
        operator: its type; empty for the reference.
        divergence: mean KL(float || int8) of the probabilities, nats.
        agreement: share of images on which both name the same class, 0 to 1.
        correlation: of the maps; NaN without one.
        partitions: of the delegate.
    """

    tensor: str
    operator: str
    divergence: float
    agreement: float
    correlation: float
    partitions: int


def _operators(calibrated: bytes) -> list[tuple[str, str]]:
    """Tensor and type of every operator that computes and may be float.

    Not those at the ends: pixels in and heads out must stay uint8.
    """
    model = schema.ModelT.InitFromPackedBuf(calibrated, 0)
    types = {number: name for name, number in vars(schema.BuiltinOperator).items()}
    graph, codes = model.subgraphs[0], [code.builtinCode for code in model.operatorCodes]
    ends = {*map(int, graph.inputs), *map(int, graph.outputs)}
    named = [
        (graph.tensors[op.outputs[0]].name.decode(), types[codes[op.opcodeIndex]])
        for op in graph.operators
        if ends.isdisjoint(map(int, [*op.inputs, *op.outputs]))
    ]
    return [(tensor, kind) for tensor, kind in named if kind not in MOVES]


def measure(
    calibrated: bytes,
    full: Heads,
    pixels: np.ndarray,
    always: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[Sensitivity]:
    """The table, from a calibrated flatbuffer.

    Args:
        calibrated: from `quantize.calibrate`.
        full: what the float model says of `pixels`.
        pixels: uint8 `[n, H, W, 3]`, of the training split, none that calibrated.
        always: tensors whose operators stay float in every row.
        progress: called with how many rows are done, of how many.

    Returns:
        The reference first, then operators, those that cost most first. One that the converter
        or the interpreter cannot leave float is missing.
    """

    def row(tensor: str, kind: str) -> Sensitivity:
        content = int8_from(calibrated, [*always, tensor] if tensor else always)
        pair = fidelity(full, run_heads(content, pixels))
        return Sensitivity(
            tensor,
            kind,
            pair.divergence,
            pair.agreement,
            pair.attention_correlation,
            plan(content).partitions,
        )

    tried = [(name, kind) for name, kind in _operators(calibrated) if name not in set(always)]
    rows = []
    for done, (tensor, kind) in enumerate(tried, 1):
        try:
            rows.append(row(tensor, kind))
        except CompressionError:
            continue  # an operator whose neighbours cannot take a float input
        finally:
            progress(done, len(tried))
    reference = row(EVERYTHING, "")
    return [reference, *sorted(rows, key=lambda r: (r.divergence, -_known(r.correlation)))]


def sensitivity(
    model: Any,
    calibration: np.ndarray,
    pixels: np.ndarray,
    float_layers: str,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[Sensitivity]:
    """The table of a Keras model; see `measure`.

    Args:
        model: from `zoo.build`.
        calibration: uint8 `[n, H, W, 3]`, of the training split.
        pixels: uint8 `[m, H, W, 3]`, of the training split too, others.
        float_layers: pattern of layers that are float in every row.
        progress: see `measure`.

    Raises:
        CompressionError: the converter refused.
    """
    calibrated = calibrate(model, calibration)
    full = run_heads(float32_tflite(model), pixels)
    return measure(calibrated, full, pixels, denied(calibrated, float_layers), progress)


def _known(correlation: float) -> float:
    return 0.0 if np.isnan(correlation) else correlation


def choose(rows: Sequence[Sensitivity], budget: int, least: float = 0.2) -> str:
    """Pattern of the operators that pay for being float, for `int8_tflite`; empty for none.

    Args:
        rows: from `sensitivity` or `measure`.
        budget: most operators.
        least: share of the reference's divergence, or of what its map lacks to a correlation of
            1, that an operator must take away: 64 images tell no smaller gain from luck. One
            that splits the delegate never pays.
    """
    reference = rows[0]
    lack = 1 - _known(reference.correlation)

    def gain(row: Sensitivity) -> float:
        answers = 1 - row.divergence / reference.divergence if reference.divergence > 0 else 0.0
        attention = (_known(row.correlation) - _known(reference.correlation)) / lack if lack else 0
        return max(answers, attention)

    paying = [r for r in rows[1:] if gain(r) >= least and r.partitions <= reference.partitions]
    best = sorted(paying, key=gain, reverse=True)[:budget]
    return "|".join(f"^{re.escape(row.tensor)}$" for row in best)


def markdown(rows: Sequence[Sensitivity], most: int = 20) -> str:
    """The first rows for a document or a terminal."""
    lines = [
        "| left float | operator | KL | same class | map correlation | partitions |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows[: most + 1]:
        correlation = "–" if np.isnan(row.correlation) else f"{row.correlation:.4f}"
        lines.append(
            f"| {row.tensor.split(';')[-1] or 'nothing more'} | {row.operator or '–'} | "
            f"{row.divergence:.5f} | {row.agreement:.3f} | {correlation} | {row.partitions} |"
        )
    return "\n".join(lines)
