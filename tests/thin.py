"""A network of three convolutions, for tests of what training does around a network: whichever it
is, most of a tiny training's time goes into tracing it, or compiling it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import pytest
from tiny import TINY

from skinedge.train.description import Options
from skinedge.train.zoo.backbones import BACKBONES, Backbone
from skinedge.train.zoo.efficientnet_lite import Scaling

__all__ = ["RANDOM", "THIN", "thin_backbone"]

THIN = replace(TINY, name="thin", spec=replace(TINY.spec, backbone="thin"))
RANDOM = Options("none")  # there are no ImageNet weights of it


@dataclass(frozen=True)
class _Thin(Backbone):
    @property
    def stages(self) -> int:
        return 2

    def build(
        self, keras: ModuleType, size: int, attend: Callable[[Any, str], Any]
    ) -> tuple[Any, Any]:
        """With a dropout beside the head's, as most backbones have."""
        layers = keras.layers
        pixels = x = keras.Input((size, size, 3), name="pixels")
        for stage, (filters, stride) in enumerate(((8, 4), (16, 2)), 1):
            x = layers.Conv2D(filters, 3, stride, "same", use_bias=False, name=f"conv{stage}")(x)
            x = layers.BatchNormalization(name=f"bn{stage}")(x)
            x = layers.ReLU(6.0, name=f"relu{stage}")(x)
            x = attend(x, f"stage{stage}")
        x = layers.Dropout(0.2, noise_shape=(None, 1, 1, 1), seed=0, name="drop")(x)
        x = attend(x, "final")
        return pixels, layers.Conv2D(32, 1, activation="relu", name="head")(x)


@contextmanager
def thin_backbone() -> Iterator[None]:
    """Adds backbone `thin` to the table for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "thin", _Thin(Scaling(1.0, 1.0)))
        yield
