"""Backbones of `keras.applications`, flat, with attention between their stages.

Keras builds the network; cloning it layer by layer renames what Keras numbers by the session,
leaves the in-graph preprocessing out, for which `statistics` stands in, and calls back after each
stage.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from skinedge.errors import UsageError

from .statistics import adapt

__all__ = ["Application", "application", "named_weights"]

PREPROCESSING = ("Rescaling", "Normalization")


@dataclass(frozen=True)
class Application:
    """A network of `keras.applications`.

    Attributes:
        constructor: its name there.
        mode: how its ImageNet weights want pixels, as in Keras' `imagenet_utils`: `tf` is
            [-1, 1], `torch` standardised RGB, `caffe` BGR minus its mean.
        stage_ends: the layer that ends each stage, separated by blanks.
        options: further arguments of the constructor.
    """

    constructor: str
    mode: str
    stage_ends: str
    options: tuple[tuple[str, Any], ...] = ()

    def create(self, keras: ModuleType, size: int, weights: str | None) -> Any:
        """The network as Keras has it, without its classifier.

        Raises:
            UsageError: it cannot take this input size, or these weights.
        """
        constructor = getattr(keras.applications, self.constructor)
        shape = (size, size, 3)
        options = dict(self.options)
        try:
            return constructor(include_top=False, weights=weights, input_shape=shape, **options)
        except ValueError as error:
            raise UsageError(f"{self.constructor}: {error}") from error


def _is_preprocessing(layer: Any) -> bool:
    return type(layer).__name__ in PREPROCESSING


def _snake_case(name: str) -> str:
    """How Keras names a layer of this class by itself: `ReLU` -> `re_lu`, `Conv2D` -> `conv2d`."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _stable_names(network: Any) -> dict[str, str]:
    """Names of layers and operations as Keras gave them -> the same in every session."""
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    for operation in network.operations:
        automatic = _snake_case(type(operation).__name__)
        if re.fullmatch(rf"{automatic}(_\d+)?", operation.name):
            counts[automatic] = counts.get(automatic, 0) + 1
            names[operation.name] = f"{automatic}{counts[automatic]}"
        else:
            names[operation.name] = operation.name
    return names


def application(
    keras: ModuleType, row: Application, size: int, attend: Callable[[Any, str], Any]
) -> tuple[Any, Any]:
    """Build a backbone with random weights; see `named_weights` for ImageNet's.

    Returns:
        (input `[n, size, size, 3]`, features `[n, h, w, c]`).
    """
    source = row.create(keras, size, weights=None)
    names = _stable_names(source)
    stage_of = {layer: f"stage{stage}" for stage, layer in enumerate(row.stage_ends.split(), 1)}
    pixels = keras.Input((size, size, 3), name="pixels")
    adapted = adapt(keras, pixels, row.mode)

    def renamed(layer: Any) -> Any:
        config = {**layer.get_config(), "name": names[layer.name]}
        if "seed" in config:  # dropout of its own stream; training sets its state (see callbacks)
            config["seed"] = 0
        return type(layer).from_config(config)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_preprocessing(layer):
            return args[0]
        if args[0] is pixels:
            args = (adapted, *args[1:])
        y = layer(*args, **kwargs)
        place = stage_of.get(layer.name)
        return attend(y, place) if place else y

    clone = keras.models.clone_model(
        source, input_tensors=pixels, clone_function=renamed, call_function=call
    )
    return pixels, attend(clone.outputs[0], "final")


def named_weights(
    keras: ModuleType, row: Application, size: int, weights: str
) -> dict[str, list[np.ndarray]]:
    """ImageNet weights by our layer names: `weights` is `imagenet` or a file that Keras reads."""
    source = row.create(keras, size, weights)
    names = _stable_names(source)
    return {
        names[layer.name]: layer.get_weights()
        for layer in source.layers
        if layer.weights and not _is_preprocessing(layer)
    }
