"""Attention blocks by name: one short function a file, stock layers only, the paper beside it.

A block is `block(keras, x, name)`: it takes features `[n, h, w, c]` and a prefix for its layers'
names, and returns the features that follow and its map `[n, h*w]` (row-major, non-negative), or
None where it has no map over positions. Stock layers alone: loading needs no custom objects, and
`tf_keras` builds the same network for tensorflow-model-optimization.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .cbam import cbam, spatial_attention
from .channel import efficient_channel_attention, squeeze_excite
from .s2 import s2_attention
from .sge import spatial_groupwise_enhance
from .soft import published_soft_attention, soft_attention

__all__ = ["ATTENTION", "FLOAT_IN_INT8", "Block"]

# What an int8 file computes in float32, as a pattern on `layer/operation`; docs/attention-int8.md
# has what each buys. All of it is small: one number a position, a head, a group or a channel.
FLOAT_IN_INT8 = "|".join(
    (
        r"attention\w*_softmax",  # int8 has steps of 1/256, and no kernel in XNNPACK
        r"attention\w*_norm",  # SGE: neither has int8 RSQRT
        r"attention\w*/Gelu",  # S2: nor GELU
        r"attention\w*_relu",  # published Soft-Attention: nor ReLU after a concatenation
    )
)


@dataclass(frozen=True)
class Block:
    """A row of the table.

    Attributes:
        build: `build(keras, x, name) -> (features, map or None)`.
        first: the stage after which it stands first when no place is asked for, counted from 1
            or, negative, from the last stage; None puts it once, on the final feature map.
        last: the stage after which it stands last, counted alike.
    """

    build: Callable[[ModuleType, Any, str], tuple[Any, Any]]
    first: int | None = None
    last: int = -1


# Where each stands by default is where Nazari & Garcia 2025 put it in EfficientNet-B3.
ATTENTION: dict[str, Block] = {
    "soft": Block(soft_attention),
    "soft-published": Block(published_soft_attention),
    "cbam": Block(cbam, first=1),
    "sge": Block(spatial_groupwise_enhance, first=2),
    "s2": Block(s2_attention, first=-2, last=-2),
    "spatial": Block(spatial_attention, first=2),
    "eca": Block(efficient_channel_attention, first=1),
    "se": Block(squeeze_excite, first=1),
}
