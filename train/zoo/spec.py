"""What a model is, as plain data (see docs/architecture.md, "Specs are data")."""

from __future__ import annotations

from dataclasses import dataclass

from skinedge.lesion import CODES

__all__ = ["PIXEL_SCALE", "PIXEL_ZERO", "ModelSpec", "Placed"]

# A network's float input is (pixel - PIXEL_ZERO) * PIXEL_SCALE. Both are exact in int8, so the
# deployed file takes raw pixels: its input tensor has this scale and this zero point.
PIXEL_ZERO = 127
PIXEL_SCALE = 1 / 128


@dataclass(frozen=True)
class Placed:
    """An attention block and where it stands.

    Attributes:
        block: a row of `zoo.attention.ATTENTION`.
        after: `stage1`, `stage2`, ... of the backbone, or `final`, its last feature map.
    """

    block: str
    after: tuple[str, ...]


@dataclass(frozen=True)
class ModelSpec:
    """Everything that decides a network's graph.

    Attributes:
        backbone: a row of `zoo.backbones.BACKBONES`.
        attention: the blocks, in order; none is the ablation. See `placement.placed`.
        input_size: side of the square RGB input, in pixels.
        classes: label codes, in output order.
        dropout: share of features dropped before the last layer in training, 0 to 1.
        head: a row of `zoo.build.HEADS`: how features become one vector.
    """

    backbone: str
    attention: tuple[Placed, ...]
    input_size: int
    classes: tuple[str, ...] = CODES
    dropout: float = 0.3
    head: str = "average"

    def attention_name(self) -> str:
        """The blocks by name, e.g. `soft`, `cbam+s2`, or `none`."""
        return "+".join(placed.block for placed in self.attention) or "none"
