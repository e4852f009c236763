"""What int8 does to each layer, as tensorflow-model-optimization's quantizers and configs.

The rules follow what the TFLite converter makes of a layer:

- a kernel is quantized per output channel, a depthwise one per channel;
- one output quantizer stands after what TFLite fuses: convolution, batch normalisation, ReLU;
- layers that only move values, and what a concatenation alone reads, have none;
- sigmoid and softmax have TFLite's fixed steps of 1/256, tanh has steps of 1/128;
- what `FLOAT_IN_INT8` names stays float between quantized neighbours;
- the pixels have scale 1/128 and zero point 127.

The package's own rules refuse Multiply, Rescaling and GroupNormalization, leave the kernel of a
convolution with bias unquantized before a ReLU, give depthwise convolutions one scale for all
channels, and train on batch statistics that inference does not have.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import tensorflow as tf
import tf_keras

from skinedge.train.zoo.attention import FLOAT_IN_INT8

from .twin import Layer, Tensor, counterpart, tfmot

__all__ = [
    "PIXELS",
    "LayerConfig",
    "Preserve",
    "kernel_quantizer",
    "output_quantizer",
    "taken_apart",
]

Preserve = Literal["", "sparsity", "clusters", "both"]

quantizers = tfmot.quantization.keras.quantizers
layers = tf_keras.layers

KERNELS = {
    "Conv1D": "kernel",
    "Conv2D": "kernel",
    "DepthwiseConv2D": "depthwise_kernel",
    "Dense": "kernel",
}
FUSED = ("linear", "relu", "relu6")  # activations that TFLite computes within a layer
_RELUS = ("ReLU", "relu", "relu6")
# What TFLite computes within the layer before it.
FUSED_AFTER = {
    **dict.fromkeys(KERNELS, ("FrozenBatchNormalization", *_RELUS)),
    "FrozenBatchNormalization": _RELUS,
    "Add": _RELUS,
}
# Layers whose values are their input's, so that their scale is, too.
MOVING = (
    *("Reshape", "Permute", "Flatten", "Dropout", "ZeroPadding2D", "Cropping1D", "Cropping2D"),
    *("MaxPooling2D", "AveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D"),
)
# Ranges that TFLite dictates.
FIXED = {"sigmoid": (0.0, 255 / 256), "softmax": (0.0, 255 / 256), "tanh": (-1.0, 127 / 128)}
PIXELS, PIXEL_RANGE = "pixels_quantized", (-127 / 128, 1.0)
# A kernel with more different values than this was not clustered.
MOST_CLUSTERS = 256


class FrozenBatchNormalization(layers.BatchNormalization):
    """Scale and shift are trained, statistics stay: as in the file, where they are constants."""

    def call(self, inputs: Tensor, training: Any = None, mask: Any = None) -> Tensor:
        return super().call(inputs, training=False)


class FloatSoftmax(layers.Softmax):
    """Softmax in operators that have no int8 kernel; the converter would quantize its own.

    The converter also recognises e / sum(e), hence the reciprocal.
    """

    def call(self, inputs: Tensor, mask: Any = None) -> Tensor:
        powers = tf.exp(inputs - tf.reduce_max(inputs, self.axis, keepdims=True))
        return powers * (1.0 / tf.reduce_sum(powers, self.axis, keepdims=True))


class FloatReLU(layers.Layer):
    """max(x, 0) = (x + |x|) / 2, which the converter leaves float: XNNPACK has no int8 ReLU."""

    def call(self, inputs: Tensor) -> Tensor:
        return (inputs + tf.abs(inputs)) * 0.5


class FloatGELU(layers.Layer):
    """GELU's tanh form, within 5e-4 of it (Hendrycks & Gimpel 2016, arXiv 1606.08415, section 2).

    TFLite has no float erf, XNNPACK no int8 GELU, and the converter would quantize its own.
    """

    def call(self, inputs: Tensor) -> Tensor:
        cubic = inputs + 0.044715 * (inputs * inputs * inputs)
        return inputs * (0.5 + 0.5 * tf.tanh(math.sqrt(2 / math.pi) * cubic))


class KernelQuantizer(quantizers.LastValueQuantizer):  # type: ignore[misc] - tfmot has no types
    """Symmetric int8 with one scale per output channel, whatever the kernel's shape."""

    def __init__(self) -> None:
        super().__init__(num_bits=8, per_axis=True, symmetric=True, narrow_range=True)

    def build(self, shape: tf.TensorShape, name: str, layer: Layer) -> dict[str, tf.Variable]:
        channels = shape[-1] * (shape[-2] if name == "depthwise_kernel" else 1)
        return {
            f"{end}_var": layer.add_weight(f"{name}_{end}", shape=(channels,), trainable=False)
            for end in ("min", "max")
        }

    def __call__(
        self, kernel: Tensor, training: bool, weights: dict[str, tf.Variable], **options: Any
    ) -> Tensor:
        rows = tf.reshape(kernel, (-1, weights["min_var"].shape[0]))
        return tf.reshape(super().__call__(rows, training, weights, **options), kernel.shape)


class SharedKernelQuantizer(KernelQuantizer):
    """The same for a clustered kernel: its few values are trained, and who shares which stays.

    tensorflow-model-optimization's own (`Default8BitClusterPreserveQuantizeScheme`) looks for
    clusters channel by channel where each has as many, in a loop that it unrolls into the graph:
    thousands of operators a layer.
    """

    def __init__(self, keep_zeros: bool) -> None:
        super().__init__()
        self.keep_zeros = keep_zeros

    def build(self, shape: tf.TensorShape, name: str, layer: Layer) -> dict[str, Any]:
        kernel = getattr(layer.layer, name).numpy()
        values, which = np.unique(kernel, return_inverse=True)
        shared = layer.add_weight(
            f"{name}_values", values.shape, initializer=tf_keras.initializers.Constant(values)
        )
        trained = (values != 0) | (not self.keep_zeros)
        return {
            **super().build(shape, name, layer),
            "values": shared,
            "which": which.reshape(kernel.shape).astype(np.int32),
            "trained": trained.astype(np.float32),
        }

    def __call__(
        self, kernel: Tensor, training: bool, weights: dict[str, Any], **options: Any
    ) -> Tensor:
        if training:
            shared = tf.gather(weights["values"] * weights["trained"], weights["which"])
            kernel.assign(shared)
            return super().__call__(shared, training, weights, **options)
        return super().__call__(kernel, training, weights, **options)


class LayerConfig(tfmot.quantization.keras.QuantizeConfig):  # type: ignore[misc]
    """Which kernel of a layer is quantized, and how its output is; either may be None."""

    def __init__(self, kernel: Any, output: Any) -> None:
        self.kernel, self.output = kernel, output

    def get_weights_and_quantizers(self, layer: Layer) -> list[tuple[tf.Variable, Any]]:
        name = KERNELS.get(type(layer).__name__, "")
        return [(getattr(layer, name), self.kernel)] if self.kernel else []

    def set_quantize_weights(self, layer: Layer, quantize_weights: list[Tensor]) -> None:
        for weight in quantize_weights:
            setattr(layer, KERNELS[type(layer).__name__], weight)

    def get_activations_and_quantizers(self, layer: Layer) -> list[Any]:
        return []

    def set_quantize_activations(self, layer: Layer, quantize_activations: list[Any]) -> None:
        pass

    def get_output_quantizers(self, layer: Layer) -> list[Any]:
        return [self.output] if self.output else []

    def get_config(self) -> dict[str, Any]:
        return {"kernel": self.kernel, "output": self.output}


def taken_apart(layer: Layer) -> Callable[..., Tensor]:
    """The tf_keras layer for a Keras 3 layer, taken apart where int8 rounds within it."""
    made: Any = counterpart(layer)
    kind = type(made).__name__
    if kind == "BatchNormalization":
        return FrozenBatchNormalization.from_config(made.get_config())
    if kind == "Softmax" and re.search(FLOAT_IN_INT8, made.name):
        return FloatSoftmax.from_config(made.get_config())
    if kind == "ReLU" and re.search(FLOAT_IN_INT8, made.name):
        return FloatReLU(name=made.name)
    if kind == "Add":

        def add(terms: list[Tensor]) -> Tensor:
            total, *rest = terms
            for index, term in enumerate(rest[:-1]):
                total = layers.Add(name=f"{made.name}_{index}")([total, term])
            return made([total, rest[-1]])

        return add
    if kind in KERNELS and made.activation.__name__ not in FUSED:
        name = f"{made.name}_{made.activation.__name__}"
        gelu = made.activation.__name__ == "gelu"
        after = FloatGELU(name=name) if gelu else layers.Activation(made.activation, name=name)
        made.activation = tf_keras.activations.linear
        return lambda x: after(made(x))
    return made


def _readers(layer: Layer) -> dict[int, Layer]:
    """Layers that compute with what a layer returns, beyond those that only move it."""
    found: dict[int, Layer] = {}
    for node in layer._outbound_nodes:
        reader = node.outbound_layer
        moving = type(reader).__name__ in MOVING and reader._outbound_nodes
        found |= _readers(reader) if moving else {id(reader): reader}
    return found


def output_quantizer(layer: Layer) -> Any:
    kind = type(layer).__name__
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    if kind == "InputLayer" or kind in MOVING:
        return None
    if layer.name == PIXELS:
        return quantizers.FixedQuantizer(8, *PIXEL_RANGE, False)
    fixed = FIXED.get("softmax" if kind == "Softmax" else activation)
    if fixed:
        return quantizers.FixedQuantizer(8, *fixed, False)
    readers = _readers(layer)
    if len(readers) == 1 and activation == "linear":
        (reader,) = readers.values()
        after = type(reader).__name__
        if after == "Activation":
            after = reader.activation.__name__
        if after == "Concatenate" or after in FUSED_AFTER.get(kind, ()):
            return None
    return quantizers.MovingAverageQuantizer(8, False, False, False)


def kernel_quantizer(layer: Layer, preserve: Preserve) -> Any:
    kind = type(layer).__name__
    if kind not in KERNELS:
        return None
    kernel = layer.get_weights()[0]
    zeros = preserve in ("sparsity", "both") and np.any(kernel == 0)
    few = len(np.unique(kernel)) <= min(MOST_CLUSTERS, kernel.size // 2)
    if preserve in ("clusters", "both") and few:
        return SharedKernelQuantizer(keep_zeros=bool(zeros))
    if zeros and kind in ("Conv2D", "Dense"):
        scheme = tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme()
        return scheme.get_quantize_registry().get_quantize_config(layer).weight_quantizer
    return KernelQuantizer()
