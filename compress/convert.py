"""Keras model -> TFLite converter, and the float32 file.

`TFLiteConverter.from_concrete_functions` on a Keras 3 model leaves resource variables that
calibration cannot run; a SavedModel with a fixed signature does not.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from skinedge.errors import CompressionError

__all__ = ["HEADS", "converted", "converter", "float32_tflite", "in_one_line", "require_tensorflow"]

HEADS = ("probabilities", "attention")
# The operation, and where in the network it is: `net/layer/Operation@function`.
_LACKING = re.compile(r'error: loc\(\w*\(?fused\["(\w+):", "([^"]+)".*is neither a custom op')


def require_tensorflow(what: str) -> None:
    """Refuse what Keras 3 can do on TensorFlow alone: to export for TFLite, to fine-tune here.

    Raises:
        CompressionError: Keras runs on another backend.
    """
    if keras.backend.backend() != "tensorflow":
        raise CompressionError(
            f"{what} needs Keras on TensorFlow, not {keras.backend.backend()}; "
            "run again with KERAS_BACKEND=tensorflow"
        )


@contextmanager
def in_one_line(what: str) -> Iterator[None]:
    """What the block raises becomes one line; converters raise whatever their layers raise.

    Raises:
        CompressionError: the block raised.
    """
    try:
        yield
    except Exception as error:
        raise CompressionError(f"cannot convert to {what} TFLite: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """What a converter means, in one line."""
    said = str(error).strip()
    if lacking := _LACKING.search(said):
        operation, path = lacking.groups()
        return (
            f"{path.split('@')[0]} computes {operation}, which TFLite lacks; write that layer with "
            "stock Keras layers"
        )
    return (said.splitlines() or [type(error).__name__])[0]


def _quantizable(attention: tf.Tensor) -> tf.Tensor:
    """The same map `[1, h*w]` behind an operator that int8 can take.

    Where the one that makes the map stays float, the head would else come out in float32, and
    standard clients refuse files with heads of both kinds. Pooling single positions is what the
    converter does not remove, and XNNPACK runs as a clamp.
    """
    column = tf.reshape(attention, (1, 1, attention.shape[1], 1))
    return tf.reshape(tf.nn.max_pool2d(column, 1, 1, "VALID"), attention.shape)


@contextmanager
def converter(model: Any, calibrated: bool = False) -> Iterator[tf.lite.TFLiteConverter]:
    """A converter on a SavedModel of batch 1: a dynamic batch would leave shape operators in the
    graph, which split the delegate.

    Args:
        model: from `zoo.build`; outputs logits and, where it has one, the map.
        calibrated: for a file whose activations are quantized.

    Raises:
        CompressionError: Keras is not on TensorFlow, or the network could not be written down.
    """
    require_tensorflow("conversion to TFLite")
    _, height, width, channels = model.inputs[0].shape
    signature = tf.TensorSpec((1, height, width, channels), tf.float32, name="pixels")

    def serve(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = model(pixels, training=False)
        logits, *maps = outputs if isinstance(outputs, list) else [outputs]
        if calibrated:
            maps = [_quantizable(attention) for attention in maps]
        heads = [tf.nn.softmax(logits, name=HEADS[0]), *maps]
        return dict(zip(HEADS, heads, strict=False))

    with tempfile.TemporaryDirectory() as folder:
        with in_one_line("any"):
            archive = keras.export.ExportArchive()
            archive.track(model)
            archive.add_endpoint("serve", serve, input_signature=[signature])
            archive.write_out(folder, verbose=False)
        yield tf.lite.TFLiteConverter.from_saved_model(folder)


def converted(what: str, convert: Callable[[], bytes]) -> bytes:
    """What `convert` returns; see `in_one_line`."""
    with in_one_line(what):
        return bytes(convert())


def float32_tflite(model: Any) -> bytes:
    """Convert to float32 TFLite: float32 `[1, H, W, 3]` in, the heads out.

    Args:
        model: from `zoo.build`; outputs logits and, where it has one, the map.

    Raises:
        CompressionError: the converter refused.
    """
    with converter(model) as convert:
        return converted("float32", convert.convert)
