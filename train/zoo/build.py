"""Spec -> Keras model; the only place where backbone, attention and head meet."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from skinedge.errors import UsageError

from .backbones import BACKBONES
from .placement import Attend
from .spec import ModelSpec
from .table import row

__all__ = ["HEADS", "build"]


def _average(keras: ModuleType, x: Any) -> Any:
    return keras.layers.GlobalAveragePooling2D(name="pool")(x)


def _flatten(keras: ModuleType, x: Any) -> Any:
    return keras.layers.Flatten(name="pool")(x)


HEADS = {"average": _average, "flatten": _flatten}


def build(spec: ModelSpec, keras: ModuleType) -> Any:
    """Build the network of `spec` in the given Keras namespace (`keras` or `tf_keras`).

    Input `pixels`: float32 `[n, size, size, 3]`, RGB, (value - 127) / 128. Outputs: a list of
    logits `[n, classes]` and, when a block has one, the map of the deepest such block, `[n, h*w]`,
    non-negative, over a square grid. Weights are random; see `weights.load_imagenet`.

    Raises:
        UsageError: the spec names an unknown row or place, or a size the backbone cannot take.
    """
    backbone = row(BACKBONES, "backbone", spec.backbone)
    head = row(HEADS, "head", spec.head)
    attend = Attend(keras, spec)
    pixels, x = backbone.build(keras, spec.input_size, attend)
    places = {place for placed in spec.attention for place in placed.after}
    if lacking := sorted(places - attend.used):
        raise UsageError(
            f"{spec.backbone} has no place {', '.join(lacking)} for attention; "
            f"it has stage1 to stage{backbone.stages} and final"
        )
    layers = keras.layers
    x = head(keras, x)
    x = layers.Dropout(spec.dropout, seed=0, name="dropout")(x)
    logits = layers.Dense(len(spec.classes), name="logits")(x)
    name = f"{spec.backbone}_{spec.attention_name()}".replace("-", "_").replace("+", "_")
    try:
        return keras.Model(pixels, [logits, *attend.maps[-1:]], name=name)
    except ValueError as error:  # two layers of one name: CBAM has a spatial block within
        raise UsageError(f"{spec.attention_name()} do not go together at one place") from error
