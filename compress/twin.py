"""Keras 3 model -> the same network in tf_keras, and its weights back.

tensorflow-model-optimization knows Keras 2 alone and refuses anything else with "can only prune
an object of the following types". Its Keras 2 is `tf_keras`, which lives beside Keras 3 in one
process: the graph of the one is walked, layer by layer, and called again in the other.

    twin_model = twin(model)               # same layers, same names, same weights
    ...                                    # prune, cluster, fine-tune, strip
    model = untwin(twin_model, model)      # a Keras 3 model again
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
import tf_keras

from skinedge.errors import CompressionError

__all__ = ["Layer", "Tensor", "counterpart", "tfmot", "twin", "untwin"]


def _tfmot() -> Any:
    """tensorflow-model-optimization, imported without what it does to its process.

    It sets TF_USE_LEGACY_KERAS, which would turn the `tf.keras` of whatever is imported or
    started after it into Keras 2. It uses `tf_keras` all the same once `tf.keras` is Keras 3,
    which touching it first makes sure of.
    """
    before = os.environ.get("TF_USE_LEGACY_KERAS")
    tf.keras.version()
    import tensorflow_model_optimization

    if before is None:
        os.environ.pop("TF_USE_LEGACY_KERAS", None)
    return tensorflow_model_optimization


tfmot = _tfmot()

# What a layer starts from or is held to in training: its weights are copied, and fine-tuning has
# its own weight decay. Keras 3 serialises these in a form that Keras 2 cannot read.
_LEFT_OUT = ("initializer", "regularizer", "constraint")


@tf_keras.utils.register_keras_serializable("skinedge")
def relu6(x: tf.Tensor) -> tf.Tensor:
    """min(max(x, 0), 6)."""
    return tf.nn.relu6(x)


@tf_keras.utils.register_keras_serializable("skinedge")
def hard_sigmoid(x: tf.Tensor) -> tf.Tensor:
    """relu6(x + 3) / 6. Keras 2 calls min(max(0.2 x + 0.5, 0), 1) by this name."""
    return tf.nn.relu6(x + 3.0) / 6.0


@tf_keras.utils.register_keras_serializable("skinedge")
def hard_silu(x: tf.Tensor) -> tf.Tensor:
    """x * hard_sigmoid(x), also called hard swish; Keras 2 has none."""
    return x * hard_sigmoid(x)


# Keras 3's name of an activation -> Keras 2's name, or the function where it has none. Others are
# refused: Keras 2 has different functions by the same name.
_ACTIVATIONS: dict[str, Any] = {
    **{same: same for same in ("linear", "relu", "sigmoid", "tanh", "softmax", "gelu")},
    "silu": "swish",
    "relu6": relu6,
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": hard_silu,
}

Tensor = Any
Layer = Any


def _refuse(layer: Layer, why: str) -> CompressionError:
    return CompressionError(
        f"layer {layer.name} ({type(layer).__name__}) {why}; compress this model with a recipe "
        "that neither prunes weights, clusters nor trains (int8, float16, dynamic), or write the "
        "layer with stock Keras layers"
    )


def _config(layer: Layer, twin_class: type) -> dict[str, Any]:
    """What the constructor of `twin_class` needs to make the like of a Keras 3 layer."""
    known = {"name", "trainable"}
    for base in inspect.getmro(twin_class):
        known |= set(inspect.signature(base.__init__).parameters)
    config = {
        key: value
        for key, value in layer.get_config().items()
        if key in known and key != "dtype" and not key.endswith(_LEFT_OUT)
    }
    if config.get("activation") is not None:
        if str(config["activation"]) not in _ACTIVATIONS:
            raise ValueError(f"no activation {config['activation']}")
        config["activation"] = _ACTIVATIONS[config["activation"]]
    return config


def _scaled_sum(layer: Layer) -> Callable[[list[Tensor]], Tensor]:
    """Inception-ResNet's own layer, x + scale * residual, in stock layers."""
    scale = tf_keras.layers.Rescaling(layer.scale, name=f"{layer.name}_scale")
    total = tf_keras.layers.Add(name=layer.name)
    return lambda pair: total([pair[0], scale(pair[1])])


def _with_number(operation: Layer) -> Callable[[Tensor, float], Tensor]:
    """x + 3 or x * 0.5, which Keras 3 has as operations without a layer."""
    add = type(operation).__name__ == "Add"

    def call(x: Tensor, number: float) -> Tensor:
        scale, offset = (1.0, number) if add else (number, 0.0)
        return tf_keras.layers.Rescaling(scale, offset, name=operation.name)(x)

    return call


def counterpart(layer: Layer) -> Callable[..., Tensor]:
    """The tf_keras layer that does what a Keras 3 layer does, without weights yet.

    Raises:
        CompressionError: there is none.
    """
    kind = type(layer).__name__
    if kind == "CustomScaleLayer":
        return _scaled_sum(layer)
    if kind in ("Add", "Multiply") and not isinstance(layer, keras.layers.Layer):
        return _with_number(layer)
    twin_class = getattr(tf_keras.layers, kind, None)
    if twin_class is None or not type(layer).__module__.startswith("keras."):
        raise _refuse(layer, "has no twin in Keras 2")
    try:
        return twin_class(**_config(layer, twin_class))
    except (TypeError, ValueError) as error:
        raise _refuse(layer, f"cannot be made in Keras 2 ({error})") from error


def twin(
    model: Any,
    make: Callable[[Layer], Callable[..., Tensor]] = counterpart,
    enter: Callable[[Tensor], Tensor] = lambda pixels: pixels,
) -> Any:
    """Build a flat Keras 3 model again in tf_keras: same layers, names, weights and answers.

    Args:
        model: functional, one input, stock layers only: from `zoo.build`, or smaller after
            channels were removed from it.
        make: Keras 3 layer -> what is called in its place; a tf_keras layer of the same name
            gets its weights.
        enter: what is called on the input before anything else.

    Returns:
        A `tf_keras` functional model.

    Raises:
        CompressionError: a layer has no counterpart in Keras 2.
    """
    (pixels,) = model.inputs
    start = tf_keras.Input(pixels.shape[1:], dtype=pixels.dtype, name=pixels.name)
    tensors: dict[int, Tensor] = {id(pixels): enter(start)}
    made: dict[str, Callable[..., Tensor]] = {}  # a shared layer is made once and called again
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            layer = node.operation
            if node.is_input:
                continue
            if layer.name not in made:
                made[layer.name] = make(layer)
            args, kwargs = node.arguments.fill_in(tensors)
            try:
                (tensors[id(node.outputs[0])],) = [made[layer.name](*args, **kwargs)]
            except (TypeError, ValueError) as error:
                raise _refuse(layer, f"cannot be called in Keras 2 ({error})") from error
    outputs = [tensors[id(output)] for output in model.outputs]
    copy = tf_keras.Model(start, outputs, name=model.name)
    for layer in model.layers:
        if layer.weights:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def untwin(twin_model: Any, model: Any) -> Any:
    """A Keras 3 model with the weights of its twin.

    Args:
        twin_model: from `twin(model)`, fine-tuned, without any wrapper of
            tensorflow-model-optimization.
        model: what the twin was made of; stays as it is.

    Raises:
        CompressionError: the twin has lost a layer, or changed its shape.
    """
    copy = keras.models.clone_model(model)
    for layer in copy.layers:
        if not layer.weights:
            continue
        try:
            layer.set_weights(twin_model.get_layer(layer.name).get_weights())
        except ValueError as error:
            raise _refuse(layer, f"does not fit its twin ({error})") from error
    return copy
