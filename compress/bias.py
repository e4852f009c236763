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
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from skinedge.errors import CompressionError
from skinedge.train.batches import normalise

from .fidelity import fidelity
from .flatbuffer import packed
from .heads import run_heads

__all__ = ["Correction", "bias_corrected", "corrected_if_nearer", "with_biases_of"]

_BIASED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_RELUS = (schema.ActivationFunctionType.RELU, schema.ActivationFunctionType.RELU6)
# A bias moves the mean by the share of values that the activation lets through. Where hardly any
# passes, a small error would ask for a large step.
_LEAST_OPEN = 0.1
_LARGEST = 2**30  # what the converter, too, keeps a bias within


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


class _Running:
    """An int8 network on some images, run as far as it is corrected: no operator runs in vain."""

    def __init__(self, model: Any, images: np.ndarray) -> None:
        self.model, self.position = model, 0
        (pixels,) = model.subgraphs[0].inputs
        # Values by tensor, image by image, of what is still to be read.
        self.values = {int(pixels): [image[np.newaxis] for image in images]}

    def upto(self, position: int) -> dict[int, list[np.ndarray]]:
        """What the operators since the last `go_on`, to this position, leave to be read."""
        graph = self.model.subgraphs[0]
        segment = graph.operators[self.position : position + 1]
        after = _read(graph.operators[position + 1 :]) | {int(index) for index in graph.outputs}
        written = {int(index) for operator in segment for index in operator.outputs}
        wanted = sorted(written & after)
        known = sorted(_read(segment) & set(self.values))
        interpreter = Interpreter(model_content=self._part(segment, known, wanted), num_threads=2)
        interpreter.allocate_tensors()
        found: dict[int, list[np.ndarray]] = {index: [] for index in wanted}
        for number in range(len(next(iter(self.values.values())))):
            for index in known:
                interpreter.set_tensor(index, self.values[index][number])
            interpreter.invoke()
            for index in wanted:
                found[index].append(interpreter.get_tensor(index))
        return found | {i: of for i, of in self.values.items() if i in after and i not in found}

    def go_on(self, position: int, values: dict[int, list[np.ndarray]]) -> None:
        """Start behind this position from now on."""
        self.position, self.values = position + 1, values

    def _part(self, segment: list[Any], known: list[int], wanted: list[int]) -> bytes:
        graph = copy(self.model.subgraphs[0])
        graph.operators, graph.inputs, graph.outputs = segment, known, wanted
        used = {graph.tensors[index].buffer for index in (*_read(segment), *wanted)}
        part = copy(self.model)
        part.subgraphs, part.signatureDefs, part.metadata = [graph], [], []
        part.buffers = [
            buffer if number in used else schema.BufferT()
            for number, buffer in enumerate(self.model.buffers)
        ]
        return packed(part)


def _read(operators: list[Any]) -> set[int]:
    return {int(index) for operator in operators for index in operator.inputs if index >= 0}


def _mean(values: list[np.ndarray], quantization: Any) -> np.ndarray:
    """By channel, dequantized."""
    flat = np.concatenate([value.reshape(-1, value.shape[-1]) for value in values])
    mean = flat.mean(axis=0, dtype=np.float64)
    return (mean - quantization.zeroPoint[0]) * quantization.scale[0]


def bias_corrected(int8: bytes, calibrated: bytes, images: np.ndarray) -> bytes:
    """An int8 file whose biases are moved by the mean error of each output channel.

    A channel whose error would not lessen keeps its bias: one that hardly varies may only round
    the other way. So do layers that stayed float, and those that share a bias.

    Args:
        int8: from `quantize.int8_from`.
        calibrated: the float network that it was made of, from `quantize.calibrate`.
        images: uint8 `[n, H, W, 3]`, of the training split.

    Raises:
        CompressionError: the two files are not of one network.
    """
    full = schema.ModelT.InitFromPackedBuf(calibrated, 0)
    model = schema.ModelT.InitFromPackedBuf(int8, 0)
    tensors = model.subgraphs[0].tensors
    outputs = [int(layer.outputs[0]) for _, layer in _layers(full)]
    shapes = [full.subgraphs[0].tensors[index].shape.tolist() for index in outputs]
    if shapes != [tensors[layer.outputs[0]].shape.tolist() for _, layer in _layers(model)]:
        raise CompressionError("int8 has other layers than the float network it was made of")
    wanted = _float_means(calibrated, outputs, images)
    running = _Running(model, images)
    rows = zip(_layers(model), _own_biases(model), wanted, strict=True)
    for (position, layer), bias, (mean, passing) in rows:
        if bias is None:
            continue
        output = int(layer.outputs[0])
        steps = tensors[output].quantization
        values = running.upto(position)
        error = mean - _mean(values[output], steps)
        flat = layer.builtinOptions.fusedActivationFunction in _RELUS
        move = error / np.maximum(passing, _LEAST_OPEN) if flat else error
        buffer = model.buffers[bias.buffer]
        before = np.frombuffer(bytes(buffer.data), np.int32)
        moved = np.round(before + move / np.asarray(bias.quantization.scale))
        moved = np.clip(moved, -_LARGEST, _LARGEST).astype(np.int32)
        _write(buffer, moved)
        values = running.upto(position)
        better = np.abs(mean - _mean(values[output], steps)) < np.abs(error)
        if not better.all():
            _write(buffer, np.where(better, moved, before))
            values = running.upto(position)
        running.go_on(position, values)
    return packed(model)


@dataclass(frozen=True)
class Correction:
    """What `corrected_if_nearer` did.

    Attributes:
        images: how many the means are of.
        divergence: KL of the probabilities from float32 on the representative images, in nats,
            with the biases as converted.
        corrected_divergence: the same with corrected ones.
        kept: whether the file has them: only where they bring it nearer.
    """

    images: int
    divergence: float
    corrected_divergence: float
    kept: bool

    def summary(self) -> str:
        """One line."""
        what = "corrected by" if self.kept else "left as converted: corrected by"
        return (
            f"{what} {self.images} images, KL from float32 "
            f"{self.divergence:.4f} -> {self.corrected_divergence:.4f} nats"
        )


def corrected_if_nearer(
    int8: bytes, calibrated: bytes, representative: np.ndarray, images: np.ndarray
) -> tuple[bytes, Correction]:
    """The file of `bias_corrected` if it answers nearer to float32, else `int8` itself.

    Args:
        int8, calibrated, images: as for `bias_corrected`.
        representative: uint8 `[m, H, W, 3]`, of the training split: asked for the answers.

    Raises:
        CompressionError: the two files are not of one network.
    """
    full = run_heads(calibrated, representative)

    def divergence(file: bytes) -> float:
        return fidelity(full, run_heads(file, representative)).divergence

    corrected = bias_corrected(int8, calibrated, images)
    before, after = divergence(int8), divergence(corrected)
    kept = after < before
    return (corrected if kept else int8), Correction(len(images), before, after, kept)


def _write(buffer: Any, bias: np.ndarray) -> None:
    buffer.data = np.frombuffer(bias.tobytes(), np.uint8)


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
        if bias is not None and other is not None:
            model.buffers[bias.buffer].data = source.buffers[other.buffer].data
    return packed(model)
