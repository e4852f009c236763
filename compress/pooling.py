"""Average pooling as a convolution: equal in float, and the delegate has an int8 kernel for it.

XNNPACK takes no int8 AVERAGE_POOL_2D, and the converter quantizes it whatever its deny-list says:
DenseNet201 ran in four partitions, Inception-ResNet-v2 in two.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from skinedge.errors import CompressionError

__all__ = ["pooling_as_convolution", "refuse_average_pooling"]


class _MeanConvolution(keras.layers.Layer):
    """What `pooling`, an AveragePooling2D, computes: each channel convolved with a constant."""

    def __init__(self, pooling: Any) -> None:
        super().__init__(name=pooling.name)
        self.pooling = pooling

    def call(self, x: Any) -> Any:
        _, height, width, channels = x.shape
        pool, strides = self.pooling.pool_size, self.pooling.strides
        kernel = np.full((*pool, channels, 1), 1 / np.prod(pool), np.float32)
        mean = keras.ops.depthwise_conv(x, kernel, strides, self.pooling.padding)
        if self.pooling.padding == "valid":
            return mean
        # At the edges the pooling divides by the positions that are there.
        ones = np.ones((1, height, width, 1), np.float32)
        inside = keras.ops.depthwise_conv(ones, kernel[:, :, :1], strides, "same")
        return mean * (1 / inside)  # a constant, once converted


def refuse_average_pooling(model: Any, recipe: str) -> None:
    """Before long work: quantization-aware training leaves it as it is, and the gate would refuse
    the delegate's pieces.

    Raises:
        CompressionError: the model has an average pooling.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.AveragePooling2D):
            raise CompressionError(
                f"{recipe}: layer {layer.name!r} is an average pooling, for which the delegate "
                "has no int8 kernel; quantize after training, which writes it as a convolution: "
                f"{recipe.replace('qat-', '')}"
            )


def pooling_as_convolution(model: Any) -> Any:
    """The model with its average pooling written as convolution, to be converted; or itself.

    Args:
        model: functional, from `zoo.build`, of a fixed input size; stays as it is.
    """
    kind = keras.layers.AveragePooling2D
    if not any(isinstance(layer, kind) for layer in model.layers):
        return model

    def clone(layer: Any) -> Any:
        if isinstance(layer, kind):
            return _MeanConvolution(layer)
        return type(layer).from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy
