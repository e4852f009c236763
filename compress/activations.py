"""Swish replaced by what integers can do: ReLU6 or hard-swish, in any Keras graph.

Swish (x * sigmoid(x)) reaches down to -0.28 and grows without bound: in int8 its few negative
steps and its long tail are what EfficientNet loses accuracy by, and it is two operators a layer.
EfficientNet-Lite has ReLU6 in its place (and no squeeze-excite). Exchanging the function changes
the network: its weights need fine-tuning before it says anything again.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import keras

from skinedge.errors import CompressionError, UsageError
from skinedge.train.datasets.images import LabelledImages
from skinedge.train.recipes.recipe import Recipe

from .channels import keep_channels
from .convert import require_tensorflow
from .fine_tune import fine_tune
from .recipe import SWISH, Swish

__all__ = ["Exchanged", "exchange_swish", "refuse_hard_swish", "replace_activations"]

# As Keras names the functions: what each replacement stands in for.
REPLACED = {"relu6": ("silu", "hard_silu"), "hardswish": ("silu",)}


@dataclass(frozen=True)
class Exchanged:
    """What `exchange_swish` did.

    Attributes:
        by: what stands for swish now, a row of `recipe.SWISH`.
        layers: in how many layers.
    """

    by: str
    layers: int

    def summary(self) -> str:
        """One line."""
        return f"{self.by} for swish in {self.layers} layers"


def _activation(layer: Any) -> str:
    """Its name, as Keras has it."""
    activation = getattr(layer, "activation", None)
    return getattr(activation, "__name__", str(activation))


def _has_swish(layer: Any, by: str) -> bool:
    """Whether `by` would replace this layer's activation."""
    return _activation(layer) in REPLACED[by]


def refuse_hard_swish(model: Any, recipe: str) -> None:
    """Before long work: XNNPACK has no int8 hard-swish, and a network trained with the rounding
    has it in int8. After training alone it can stay float (`quantize.NO_INT8_KERNEL`).

    Raises:
        CompressionError: the model has a hard-swish.
    """
    for layer in model.layers:
        if _activation(layer) == SWISH["hardswish"]:
            raise CompressionError(
                f"{recipe}: layer {layer.name!r} is a hard-swish, for which the delegate has no "
                f"int8 kernel; exchange it first: relu6-{recipe}"
            )


def replace_activations(keras: ModuleType, model: Any, by: str) -> Any:
    """A copy of a model, weights included, with another function in place of every swish.

    ReLU6 also replaces the hard-swish that MobileNetV3 has.

    Args:
        keras: the namespace of the model, `keras`.
        model: functional, from `zoo.build`.
        by: a row of `recipe.SWISH`.

    Raises:
        UsageError: there is no such replacement.
        CompressionError: the model has no swish.
    """
    if by not in SWISH:
        raise UsageError(f"unknown activation {by!r}; there are: {', '.join(SWISH)}")
    if not any(_has_swish(layer, by) for layer in model.layers):
        raise CompressionError(f"{model.name}: has no swish to replace; leave out the step {by}")

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if _has_swish(layer, by):
            config["activation"] = SWISH[by]
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy


def exchange_swish(
    model: Any, teacher: Any, train: LabelledImages, recipe: Recipe, how: Swish, seed: int
) -> tuple[Any, Exchanged]:
    """Replace every swish, then fine-tune until the network says again what it said.

    Args:
        model: Keras 3, from `zoo.build`; stays as it is.
        teacher: the float model that `fine_tune` imitates.
        train: the training split.
        recipe: of the run; draws and varies views.
        how: by which function, and fine-tuning.
        seed: of draws.

    Raises:
        CompressionError: the model has no swish.
    """
    require_tensorflow(f"fine-tuning after {how.by}")
    student = replace_activations(keras, model, how.by)
    layers = sum(_has_swish(layer, how.by) for layer in model.layers)
    fine_tune(keras, student, teacher, train, recipe, how.tune, seed)
    student = keep_channels(student, {})  # without optimizer and losses
    return student, Exchanged(how.by, layers)
