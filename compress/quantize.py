"""Keras model -> TFLite in fewer bits, static batch, its attention kept where integers hurt it.

TFLite fixes the output of an int8 softmax to steps of 1/256, and XNNPACK has no kernel for it.
A spatial softmax over h*w positions has values near 1/(h*w): the steps eat the map, and the
unsupported operator splits the delegate. The layers a model names stay float inside the int8
graph instead; the delegate takes dequantize, softmax and quantize along, for a few hundred
numbers.

Calibration and quantization are two steps, `calibrate` and `int8_from`: the first runs images
and takes seconds, the second takes a third of one, so that many choices of float layers can be
tried on one calibration (see `sensitivity`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

# The converter's own two steps. Its public front, QuantizationDebugger, takes the same
# deny-list but always returns float input and output.
from tensorflow.lite.python.convert import mlir_quantize
from tensorflow.lite.python.util import modify_model_io_type

from skinedge.errors import CompressionError, UsageError
from skinedge.train.batches import normalise

from .bias import Correction, corrected_if_nearer
from .convert import HEADS, converted, converter, float32_tflite
from .edge_quantizer import int16_from
from .pooling import pooling_as_convolution
from .ranges import RANGES, tightened

__all__ = [
    "HEADS",
    "NO_INT8_KERNEL",
    "RANGES",
    "calibrate",
    "corrected_int8_tflite",
    "denied",
    "dynamic_tflite",
    "float16_tflite",
    "float32_tflite",
    "int8_from",
    "int8_tflite",
    "int16x8_tflite",
    "plain_int8_tflite",
    "written_by",
]

# XNNPACK has no int8 kernel for it: MobileNetV3-Small ran in 19 partitions, 3 times slower than
# float32, and in one with its hard-swish in float.
NO_INT8_KERNEL = ("HARD_SWISH",)


def float16_tflite(model: Any) -> bytes:
    """Weights in float16, computed in float32: half the size, same input as `float32_tflite`.

    Raises:
        CompressionError: the converter refused.
    """
    with converter(model) as convert:
        convert.optimizations = [tf.lite.Optimize.DEFAULT]
        convert.target_spec.supported_types = [tf.float16]
        return converted("float16", convert.convert)


def dynamic_tflite(model: Any) -> bytes:
    """Weights in int8 per channel, activations float32 in the file; no calibration.

    The runtime quantizes each convolution's input image by image. XNNPACK takes pointwise and
    dense layers, not depthwise ones, so the delegate falls into pieces and a mobile network
    becomes slower than in float32: this is for size alone.

    Raises:
        CompressionError: the converter refused.
    """
    with converter(model) as convert:
        convert.optimizations = [tf.lite.Optimize.DEFAULT]
        return converted("dynamic-range", convert.convert)


def _images(pixels: np.ndarray) -> Iterator[list[np.ndarray]]:
    for image in pixels:
        yield [normalise(image[np.newaxis])]


def calibrate(model: Any, representative: np.ndarray, ranges: str = "min-max") -> bytes:
    """A float32 flatbuffer that knows the range of every activation.

    One black and one white image join the representative ones: they pin the input to scale 1/128
    and zero point 127, so that a pixel is its own quantized value.

    Args:
        model: from `zoo.build`.
        representative: uint8 `[n, H, W, 3]`, from the training split only.
        ranges: a row of `RANGES`: how a tensor's values over all images become its range.

    Raises:
        CompressionError: the converter refused.
        UsageError: there are no such ranges, or no images.
    """
    if not len(representative):
        raise UsageError("calibration needs at least one representative image")
    extremes = [np.zeros_like(representative[0]), np.full_like(representative[0], 255)]
    images = np.concatenate([representative, np.stack(extremes)])
    with converter(pooling_as_convolution(model), calibrated=True) as convert:
        convert.optimizations = [tf.lite.Optimize.DEFAULT]
        convert.representative_dataset = lambda: _images(images)
        convert.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        convert._experimental_calibrate_only = True
        calibrated = converted("int8", convert.convert)
    return tightened(calibrated, representative, ranges)


def written_by(flatbuffer: bytes, layers: str) -> list[str]:
    """Names of the tensors written by operators whose layers' names match a pattern.

    An operator that reads a matching softmax is one of them. What quantizes a softmax's result
    has its fixed steps of 1/256, however exact the softmax: only past the next operator is the
    scale a calibrated one.
    """
    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    graph, codes = model.subgraphs[0], [code.builtinCode for code in model.operatorCodes]
    softmaxes, written = set(), []
    for operator in graph.operators:  # in the order they run
        name = graph.tensors[operator.outputs[0]].name.decode()
        reads_softmax = not softmaxes.isdisjoint(operator.inputs)
        if not reads_softmax and not (layers and re.search(layers, name)):
            continue
        written.append(name)
        if codes[operator.opcodeIndex] == schema.BuiltinOperator.SOFTMAX:
            softmaxes.update(operator.outputs)
    return written


def _of_kind(flatbuffer: bytes, kinds: Sequence[str]) -> list[str]:
    """Names of the tensors written by operators of these types, e.g. `HARD_SWISH`."""
    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    graph, codes = model.subgraphs[0], [code.builtinCode for code in model.operatorCodes]
    numbers = {getattr(schema.BuiltinOperator, kind) for kind in kinds}
    return [
        graph.tensors[operator.outputs[0]].name.decode()
        for operator in graph.operators
        if codes[operator.opcodeIndex] in numbers
    ]


def denied(calibrated: bytes, float_layers: str) -> list[str]:
    """The tensors whose operators stay float in int8: those of the pattern, and those of
    `NO_INT8_KERNEL`."""
    return [*written_by(calibrated, float_layers), *_of_kind(calibrated, NO_INT8_KERNEL)]


def int8_from(calibrated: bytes, floats: Sequence[str]) -> bytes:
    """int8 from what `calibrate` returned: uint8 pixels in, uint8 heads out.

    Args:
        calibrated: from `calibrate`.
        floats: tensors whose operators stay float32, as `denied` names them.

    Raises:
        CompressionError: the converter refused, or what is float reaches an end of the graph.
    """
    content = converted(
        "int8",
        lambda: modify_model_io_type(
            mlir_quantize(calibrated, denylisted_nodes=list(floats)), tf.uint8, tf.uint8
        ),
    )
    graph = schema.ModelT.InitFromPackedBuf(content, 0).subgraphs[0]
    for end in (*graph.inputs, *graph.outputs):
        if graph.tensors[end].type != schema.TensorType.UINT8:
            name = graph.tensors[end].name.decode()
            raise CompressionError(f"int8 takes uint8 in and out, and {name!r} came out float32")
    return content


def int8_tflite(
    model: Any, representative: np.ndarray, float_layers: str, ranges: str = "min-max"
) -> bytes:
    """Quantize after training: int8 activations, per-channel int8 weights, uint8 in and out.

    The last softmax stays int8, in steps of 1/256: a float one gives other last bits on ARM than
    on x86, an integer one the same bits everywhere. Operators of `NO_INT8_KERNEL` are float.

    Args:
        model: from `zoo.build`.
        representative: uint8 `[n, H, W, 3]`, from the training split only.
        float_layers: pattern of the names of Keras layers that stay float32 (see
            `zoo.attention.FLOAT_IN_INT8`); empty for none.
        ranges: see `calibrate`.

    Raises:
        CompressionError: the converter refused.
        UsageError: see `calibrate`.
    """
    calibrated = calibrate(model, representative, ranges)
    return int8_from(calibrated, denied(calibrated, float_layers))


def corrected_int8_tflite(
    model: Any, representative: np.ndarray, float_layers: str, ranges: str, others: np.ndarray
) -> tuple[bytes, Correction]:
    """`int8_tflite` with its biases corrected where that helps (see `bias`), and what it did.

    Args:
        model, representative, float_layers, ranges: as for `int8_tflite`.
        others: uint8 `[m, H, W, 3]`, from the training split, to correct biases by.

    Raises:
        CompressionError: the converter refused.
        UsageError: see `calibrate`.
    """
    calibrated = calibrate(model, representative, ranges)
    int8 = int8_from(calibrated, denied(calibrated, float_layers))
    return corrected_if_nearer(int8, calibrated, representative, others)


def int16x8_tflite(
    model: Any, representative: np.ndarray, float_layers: str, ranges: str = "min-max"
) -> bytes:
    """int16 activations, symmetric, and per-channel int8 weights; float32 in and out.

    Closer to float than int8, and tens of times slower: XNNPACK has no int16 kernels. A map
    whose values differ by less than a 32767th of the largest is still lost: compare maps, as the
    gate does, answers do not tell.

    Raises:
        CompressionError: the converter refused.
        UsageError: see `calibrate`.
    """
    calibrated = calibrate(model, representative, ranges)
    return int16_from(calibrated, written_by(calibrated, float_layers))


def plain_int8_tflite(model: Any, representative: np.ndarray) -> bytes:
    """What the TFLite converter does by default: to compare against.

    Ranges of the representative images alone, every operator in int8, uint8 in and out.

    Raises:
        CompressionError: the converter refused.
    """
    with converter(model) as convert:
        convert.optimizations = [tf.lite.Optimize.DEFAULT]
        convert.representative_dataset = lambda: _images(representative)
        convert.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        convert.inference_input_type = convert.inference_output_type = tf.uint8
        return converted("int8", convert.convert)
