"""S2-Attention: spatial shifts mixed by split attention (Yu et al. 2021, S2-MLPv2)."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from skinedge.errors import UsageError

__all__ = ["s2_attention"]

# One pixel down, up, right, left for the four quarters of the channels (arXiv 2108.01072,
# section 3.1, algorithm 1); the second branch has the axes exchanged.
FIRST_SHIFTS = ("down", "up", "right", "left")
SECOND_SHIFTS = ("right", "left", "down", "up")
BRANCHES = 3


def _shifted(keras: ModuleType, x: Any, direction: str, name: str) -> Any:
    """Move features by one pixel; the row or column that nothing moves into keeps its own."""
    layers = keras.layers
    axis = 1 if direction in ("down", "up") else 2
    size = x.shape[axis]
    forward = direction in ("down", "right")
    first, rest = (0, size - 1), (0, 1)
    if not forward:
        first, rest = (size - 1, 0), (1, 0)

    def cropped(crop: tuple[int, int], what: str) -> Any:
        pair = (crop, (0, 0)) if axis == 1 else ((0, 0), crop)
        return layers.Cropping2D(pair, name=f"{name}_{what}")(x)

    kept, moved = cropped(first, "kept"), cropped(rest, "moved")
    parts = [kept, moved] if forward else [moved, kept]
    return layers.Concatenate(axis=axis, name=name)(parts)


def s2_attention(keras: ModuleType, x: Any, name: str) -> tuple[Any, None]:
    """S2-Attention as a residual block (arXiv 2108.01072, section 3, equations 3 to 7).

    An MLP expands the channels to three branches: one shifted by `FIRST_SHIFTS`, one by
    `SECOND_SHIFTS`, one left as it is. Split attention weighs them per channel (softmax over
    the three), their sum is projected back and added to the input. The expansion is written as
    one 1x1 convolution per shifted quarter, which is the same matrix in pieces and needs no
    slicing. The pooled vector is a mean where the authors' code sums, which only rescales the
    first matrix after it. The projection starts at zero, so that a pretrained network starts
    unchanged. It has no map over positions.

    Raises:
        UsageError: the channels do not divide by four.
    """
    layers = keras.layers
    channels = x.shape[-1]
    if channels % 4:
        raise UsageError(f"S2-Attention needs channels in quarters, not {channels}")

    def branch(shifts: tuple[str, ...], label: str) -> Any:
        quarters = []
        for index, direction in enumerate(shifts):
            part = f"{name}_{label}{index}"
            quarter = layers.Conv2D(channels // 4, 1, name=f"{part}_expand")(x)
            quarters.append(_shifted(keras, quarter, direction, f"{part}_{direction}"))
        return layers.Concatenate(name=f"{name}_{label}")(quarters)

    branches = [
        branch(FIRST_SHIFTS, "first"),
        branch(SECOND_SHIFTS, "second"),
        layers.Conv2D(channels, 1, name=f"{name}_identity_expand")(x),
    ]
    pooled = layers.Add(name=f"{name}_sum")(branches)
    pooled = layers.GlobalAveragePooling2D(name=f"{name}_average")(pooled)
    hidden = layers.Dense(channels, "gelu", use_bias=False, name=f"{name}_hidden")(pooled)
    split = layers.Dense(BRANCHES * channels, use_bias=False, name=f"{name}_split")(hidden)
    split = layers.Reshape((BRANCHES, channels), name=f"{name}_by_branch")(split)
    split = layers.Softmax(axis=1, name=f"{name}_softmax")(split)
    weighted = []
    for index, features in enumerate(branches):
        crop = (index, BRANCHES - 1 - index)
        weight = layers.Cropping1D(crop, name=f"{name}_weight{index}")(split)
        weight = layers.Reshape((1, 1, channels), name=f"{name}_weight{index}_gate")(weight)
        weighted.append(layers.Multiply(name=f"{name}_weighted{index}")([features, weight]))
    mixed = layers.Add(name=f"{name}_mixed")(weighted)
    mixed = layers.Conv2D(channels, 1, kernel_initializer="zeros", name=f"{name}_project")(mixed)
    return layers.Add(name=f"{name}_residual")([x, mixed]), None
