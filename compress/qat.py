"""Quantization-aware training: int8's rounding is in the network while it is fine-tuned.

Fake quantization (Jacob et al. 2018, arXiv 1712.05877) by tensorflow-model-optimization, on the
tf_keras twin; `fake_quant` says what happens to which layer. Ranges start from training images:
the package starts at -6 to 6, which its moving average of 0.999 takes thousands of steps to leave.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from skinedge.train.batches import normalise
from skinedge.train.datasets.images import LabelledImages
from skinedge.train.recipes.recipe import Recipe

from .convert import HEADS, in_one_line
from .fake_quant import (
    PIXELS,
    LayerConfig,
    Preserve,
    kernel_quantizer,
    output_quantizer,
    taken_apart,
)
from .fine_tune import fine_tune
from .recipe import Compression, Qat
from .twin import Layer, Tensor, tfmot, twin

__all__ = ["fake_quantized", "qat", "qat_tflite", "trained_int8"]


def _ranges(plain: Any, names: list[str], images: np.ndarray) -> dict[str, tuple[float, float]]:
    """Mean over batches of each layer's smallest and largest output, zero always between them."""
    outputs = {}
    for name in names:
        layer = plain.get_layer(name)  # a shared layer has one range for all its calls
        outputs[name] = [layer.get_output_at(i) for i in range(len(layer._inbound_nodes))]
    probe = tf_keras.Model(plain.inputs, outputs)

    @tf.function
    def extremes(pixels: Tensor) -> dict[str, Tensor]:
        return {
            name: (
                tf.reduce_min([tf.reduce_min(t) for t in tensors]),
                tf.reduce_max([tf.reduce_max(t) for t in tensors]),
            )
            for name, tensors in probe(pixels, training=False).items()
        }

    starts = range(0, len(images), 16)
    seen = [extremes(tf.constant(normalise(images[i : i + 16]))) for i in starts]
    means = {name: np.mean([batch[name] for batch in seen], axis=0) for name in names}
    # A branch that starts at zero has no range yet.
    return {name: (min(float(a), 0.0), max(float(b), 1e-3)) for name, (a, b) in means.items()}


def _settle(student: Any) -> None:
    """Bring kernels' scales, and clustered kernels, up to date with the last training step."""
    for layer in student.layers:
        for weight, quantizer, variables in getattr(layer, "_weight_vars", []):
            quantizer(weight, True, weights=variables)


def fake_quantized(model: Any, images: np.ndarray, preserve: Preserve = "") -> Any:
    """The tf_keras twin of a model with int8's rounding in it, not trained yet.

    Args:
        model: from `zoo.build`, or what is left of one after pruning or clustering.
        images: uint8 `[n, H, W, 3]`, from the training split, for the first ranges.
        preserve: what training must keep: zeros (`sparsity`), shared values (`clusters`) or
            `both`; empty for nothing. A layer that has none of it trains freely.

    Returns:
        A `tf_keras` model: float32 pixels `[n, H, W, 3]` in, the same outputs as `model`.

    Raises:
        CompressionError: a layer has no twin.
    """
    plain = twin(model, taken_apart, tf_keras.layers.Activation("linear", name=PIXELS))
    outputs = {layer.name: output_quantizer(layer) for layer in plain.layers}
    moving = tfmot.quantization.keras.quantizers.MovingAverageQuantizer
    learnt = [name for name, quantizer in outputs.items() if isinstance(quantizer, moving)]
    ranges = _ranges(plain, learnt, images)

    def wrapped(layer: Layer) -> Layer:
        config = LayerConfig(kernel_quantizer(layer, preserve), outputs[layer.name])
        if config.kernel or config.output:
            return tfmot.quantization.keras.QuantizeWrapperV2(layer, config)
        return layer

    student = tf_keras.models.clone_model(plain, clone_function=wrapped)
    for name, (smallest, largest) in ranges.items():
        variables = student.get_layer(f"quant_{name}")._output_quantizer_vars
        variables["min_var"].assign(smallest)
        variables["max_var"].assign(largest)
    _settle(student)
    return student


def qat(
    model: Any,
    teacher: Any,
    train: LabelledImages,
    recipe: Recipe,
    how: Qat,
    seed: int,
    images: np.ndarray,
    preserve: Preserve = "",
) -> Any:
    """Fine-tune a model with int8's rounding in it; see `fake_quantized` and `fine_tune`.

    Returns:
        The trained `tf_keras` model, for `qat_tflite`.

    Raises:
        CompressionError: a layer has no twin.
    """
    student = fake_quantized(model, images, preserve)
    if how.tune.epochs:
        fine_tune(tf_keras, student, teacher, train, recipe, how.tune, seed)
        _settle(student)
    return student


@contextmanager
def _raw_kernels(student: Any) -> Iterator[None]:
    """Kernels without fake quantization: the converter rounds them to the very same numbers, and
    it cannot read per-channel scales of depthwise and dense kernels from a graph."""
    quantized = {
        layer: layer._weight_vars for layer in student.layers if getattr(layer, "_weight_vars", [])
    }
    for layer, rows in quantized.items():
        layer._weight_vars = [(weight, lambda w, *_, **__: w, {}) for weight, _, _ in rows]
    try:
        yield
    finally:
        for layer, rows in quantized.items():
            layer._weight_vars = rows


def qat_tflite(student: Any) -> bytes:
    """Convert to int8 TFLite: uint8 `[1, H, W, 3]` in, the heads out as uint8.

    Args:
        student: from `qat` or `fake_quantized`.

    Raises:
        CompressionError: the converter refused.
    """
    pixels = tf.TensorSpec((1, *student.inputs[0].shape[1:]), tf.float32, name="pixels")

    @tf.function(input_signature=[pixels])
    def serve(pixels: Tensor) -> dict[str, Tensor]:
        outputs = student(pixels, training=False)
        logits, *rest = outputs if isinstance(outputs, list) else [outputs]
        return dict(zip(HEADS, [tf.nn.softmax(logits, name=HEADS[0]), *rest], strict=False))

    # Variables alone: saving the model itself would trace every layer again, for a minute.
    variables = tf.train.Checkpoint(variables=list(student.variables))
    with in_one_line("int8"), _raw_kernels(student), tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(variables, folder, signatures={"serve": serve})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serve"])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.uint8
        return bytes(converter.convert())


def trained_int8(
    model: Any,
    teacher: Any,
    train: LabelledImages,
    recipe: Recipe,
    how: Compression,
    seed: int,
    images: np.ndarray,
) -> bytes:
    """Quantization-aware training as a compression recipe has it, and its int8 flatbuffer.

    Zeros and shared values that the recipe's earlier steps made are kept.

    Args:
        model: Keras 3, after the earlier steps.
        teacher: the run's float model.
        train: the training split.
        recipe: of the run; draws and varies views.
        how: the compression recipe, with `qat`.
        seed: of draws and dropout.
        images: uint8 `[n, H, W, 3]`, from the training split, for the first ranges.

    Raises:
        CompressionError: a layer has no twin, or the converter refused.
    """
    preserve: Preserve = ""
    if how.prune or how.cluster:
        preserve = "sparsity" if not how.cluster else "both" if how.prune else "clusters"
    settings = how.qat or Qat()
    return qat_tflite(qat(model, teacher, train, recipe, settings, seed, images, preserve))
