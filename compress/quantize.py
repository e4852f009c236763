"""Keras model -> float32 or int8 TFLite with static batch, its attention kept where int8 hurts it.

TFLite fixes the output of an int8 softmax to steps of 1/256, and XNNPACK has no kernel for it.
A spatial softmax over h*w positions has values near 1/(h*w): the steps eat the map, and the
unsupported operator splits the delegate. The layers a model names stay float inside the int8
graph instead; the delegate takes dequantize, softmax and quantize along, for a few hundred
numbers.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

# The converter's own two steps. Its public front, QuantizationDebugger, takes the same
# deny-list but always returns float input and output.
from tensorflow.lite.python.convert import mlir_quantize
from tensorflow.lite.python.util import modify_model_io_type

from skinedge.errors import CompressionError
from skinedge.train.batches import normalise

__all__ = ["HEADS", "float32_tflite", "int8_tflite"]

HEADS = ("probabilities", "attention")


@contextmanager
def _converter(model: Any) -> Iterator[tf.lite.TFLiteConverter]:
    """A converter on a SavedModel of batch 1: a dynamic batch would leave shape operators in the
    graph, which split the delegate."""
    _, height, width, channels = model.inputs[0].shape
    signature = tf.TensorSpec((1, height, width, channels), tf.float32, name="pixels")

    def serve(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = model(pixels, training=False)
        logits, *rest = outputs if isinstance(outputs, list) else [outputs]
        return dict(zip(HEADS, [tf.nn.softmax(logits, name=HEADS[0]), *rest], strict=False))

    with tempfile.TemporaryDirectory() as folder:
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint("serve", serve, input_signature=[signature])
        archive.write_out(folder, verbose=False)
        yield tf.lite.TFLiteConverter.from_saved_model(folder)


def _converted(what: str, convert: Callable[[], bytes]) -> bytes:
    try:
        return bytes(convert())
    except Exception as error:  # the converter raises whatever its layers raise
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise CompressionError(f"cannot convert to {what} TFLite: {lines[0]}") from error


def float32_tflite(model: Any) -> bytes:
    """Convert to float32 TFLite: float32 `[1, H, W, 3]` in, the heads out.

    Args:
        model: from `zoo.build`; outputs logits and, where it has one, the map.

    Raises:
        CompressionError: the converter refused.
    """
    with _converter(model) as converter:
        return _converted("float32", converter.convert)


def _outputs_of(flatbuffer: bytes, layers: str) -> list[str]:
    """Names of the tensors written by operators whose layers' names match a pattern."""
    graph = schema.ModelT.InitFromPackedBuf(flatbuffer, 0).subgraphs[0]
    written = [graph.tensors[operator.outputs[0]].name.decode() for operator in graph.operators]
    return [name for name in written if layers and re.search(layers, name)]


def int8_tflite(model: Any, representative: np.ndarray, float_layers: str) -> bytes:
    """Quantize after training: int8 activations, per-channel int8 weights, uint8 in and out.

    Activation ranges are minimum and maximum over the representative images and one black and
    one white image; these two pin the input to scale 1/128 and zero point 127, so that a pixel
    is its own quantized value. The last softmax stays int8, in steps of 1/256: a float one
    gives other last bits on ARM than on x86, an integer one the same bits everywhere.

    Args:
        model: from `zoo.build`.
        representative: uint8 `[n, H, W, 3]`, from the training split only.
        float_layers: pattern of the names of Keras layers that stay float32 (see
            `zoo.attention.FLOAT_IN_INT8`); empty for none.

    Raises:
        CompressionError: the converter refused, or the input did not come out as raw pixels.
    """
    black_and_white = np.stack(
        [np.zeros_like(representative[0]), np.full_like(representative[0], 255)]
    )
    images = np.concatenate([representative, black_and_white])

    def representative_dataset() -> Iterator[list[np.ndarray]]:
        for image in images:
            yield [normalise(image[np.newaxis])]

    with _converter(model) as converter:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative_dataset
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter._experimental_calibrate_only = True
        calibrated = _converted("int8", converter.convert)
    denied = _outputs_of(calibrated, float_layers)
    quantized = _converted("int8", lambda: mlir_quantize(calibrated, denylisted_nodes=denied))
    return bytes(modify_model_io_type(quantized, tf.uint8, tf.uint8))
