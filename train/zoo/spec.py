"""What a model is, as plain data (see docs/architecture.md, "Specs are data")."""

from __future__ import annotations

from dataclasses import dataclass

from skinedge.lesion import CODES

__all__ = ["PIXEL_SCALE", "PIXEL_ZERO", "ModelSpec"]

# A network's float input is (pixel - PIXEL_ZERO) * PIXEL_SCALE. Both are exact in int8, so the
# deployed file takes raw pixels: its input tensor has this scale and this zero point.
PIXEL_ZERO = 127
PIXEL_SCALE = 1 / 128


@dataclass(frozen=True)
class ModelSpec:
    """Everything that decides a network's graph.

    Attributes:
        backbone: a row of `zoo.backbones.BACKBONES`.
        attention: a row of `zoo.attention.ATTENTION`; `none` is the ablation.
        input_size: side of the square RGB input, in pixels.
        classes: label codes, in output order.
        dropout: share of pooled features dropped in training, 0 to 1.
    """

    backbone: str
    attention: str
    input_size: int
    classes: tuple[str, ...] = CODES
    dropout: float = 0.3
