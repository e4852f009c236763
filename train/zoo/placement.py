"""Where attention blocks stand by default, and the function a backbone calls at each place."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from .attention import ATTENTION
from .backbones import BACKBONES
from .spec import ModelSpec, Placed
from .table import row

__all__ = ["Attend", "placed"]


def placed(block: str, backbone: str) -> tuple[Placed, ...]:
    """The block at its default places in a backbone; nothing for `none`.

    Raises:
        UsageError: there is no such block or backbone.
    """
    attention = row({**ATTENTION, "none": None}, "attention", block)
    if attention is None:
        return ()
    stages = row(BACKBONES, "backbone", backbone).stages
    if attention.first is None:
        return (Placed(block, ("final",)),)
    first, last = (
        max(1, place if place > 0 else stages + 1 + place)
        for place in (attention.first, attention.last)
    )
    return (Placed(block, tuple(f"stage{stage}" for stage in range(first, last + 1))),)


class Attend:
    """Puts a spec's blocks where they belong while a backbone is being built.

    Attributes:
        maps: the maps so far, `[n, h*w]` each, in order of depth.
        used: the places where a block was put.
    """

    def __init__(self, keras: ModuleType, spec: ModelSpec) -> None:
        self._keras, self._spec = keras, spec
        self.maps: list[Any] = []
        self.used: set[str] = set()

    def __call__(self, x: Any, place: str) -> Any:
        """Features after `place`: attended where the spec says so, else as they are."""
        for index, block in enumerate(self._spec.attention):
            if place not in block.after:
                continue
            self.used.add(place)
            name = "attention" if place == "final" else f"attention_{place}"
            if index:
                name = f"{name}_{block.block}"  # a second block at the same place
            x, attention = row(ATTENTION, "attention", block.block).build(self._keras, x, name)
            if attention is not None:
                self.maps.append(attention)
        return x
