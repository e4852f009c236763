"""Spec -> Keras model; the only place where backbone, attention and head meet."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from skinedge.errors import UsageError

from .attention import ATTENTION
from .backbones import BACKBONES, HEAD_FILTERS, Backbone, conv_bn, features
from .spec import ModelSpec

__all__ = ["build", "row"]


def row(table: dict[str, Any], kind: str, name: str) -> Any:
    """Look `name` up in a table of the zoo; UsageError lists what there is."""
    try:
        return table[name]
    except KeyError:
        raise UsageError(f"unknown {kind} {name!r}; there are: {', '.join(table)}") from None


def build(spec: ModelSpec, keras: ModuleType) -> Any:
    """Build the network of `spec` in the given Keras namespace (`keras` or `tf_keras`).

    Input `pixels`: float32 `[n, size, size, 3]`, RGB, (value - 127) / 128. Outputs: a list of
    logits `[n, classes]` and, when the spec has attention, the map `[n, (size/32)**2]`,
    non-negative and summing to 1. Weights are random; see `weights.load_imagenet`.

    Raises:
        UsageError: the spec names an unknown row, or the size is not a multiple of 32.
    """
    backbone: Backbone = row(BACKBONES, "backbone", spec.backbone)
    attend = row(ATTENTION, "attention", spec.attention)
    if spec.input_size < 32 or spec.input_size % 32:
        raise UsageError(f"input size {spec.input_size} is not a positive multiple of 32")
    layers = keras.layers
    pixels = keras.Input((spec.input_size, spec.input_size, 3), name="pixels")
    x, attention = attend(keras, features(keras, backbone, pixels))
    x = conv_bn(keras, x, "head", HEAD_FILTERS, 1, 1, relu=True)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(spec.dropout, name="dropout")(x)
    logits = layers.Dense(len(spec.classes), name="logits")(x)
    outputs = [logits] if attention is None else [logits, attention]
    return keras.Model(pixels, outputs, name=f"{spec.backbone}_{spec.attention}".replace("-", "_"))
