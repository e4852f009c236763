"""Swish replaced by what integers can do: ReLU6 or hard-swish, in any Keras graph.

Swish (x * sigmoid(x)) reaches down to -0.28 and grows without bound: in int8 its few negative
steps and its long tail are what EfficientNet loses accuracy by, and it is two operators a layer.
EfficientNet-Lite has ReLU6 in its place (and no squeeze-excite). Exchanging the function changes
the network: its weights need fine-tuning before it says anything again.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from skinedge.errors import CompressionError, UsageError

__all__ = ["REPLACEMENTS", "replace_activations"]

REPLACEMENTS = {"relu6": "relu6", "hard-swish": "hard_silu"}
# As Keras names the functions: what each replacement stands in for.
REPLACED = {"relu6": ("silu", "hard_silu"), "hard-swish": ("silu",)}


def _name(activation: Any) -> str:
    return getattr(activation, "__name__", str(activation))


def replace_activations(keras: ModuleType, model: Any, by: str) -> Any:
    """A copy of a model, weights included, with another function in place of every swish.

    ReLU6 also replaces the hard-swish that MobileNetV3 has.

    Args:
        keras: the namespace of the model, `keras`.
        model: functional, from `zoo.build`.
        by: a row of `REPLACEMENTS`.

    Raises:
        UsageError: there is no such replacement.
        CompressionError: the model has no swish.
    """
    if by not in REPLACEMENTS:
        raise UsageError(f"unknown activation {by!r}; there are: {', '.join(REPLACEMENTS)}")
    replaced = []

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if _name(getattr(layer, "activation", None)) in REPLACED[by]:
            config["activation"] = REPLACEMENTS[by]
            replaced.append(layer.name)
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=clone)
    if not replaced:
        raise CompressionError(f"{model.name}: has no swish to replace")
    copy.set_weights(model.get_weights())
    return copy
