"""SGE: each group of channels enhances the positions that resemble its mean (Li et al. 2019)."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from skinedge.errors import UsageError

__all__ = ["GROUPS", "spatial_groupwise_enhance"]

GROUPS = 8
EPSILON = 1e-5


def spatial_groupwise_enhance(
    keras: ModuleType, x: Any, name: str, groups: int = GROUPS
) -> tuple[Any, Any]:
    """SGE, Li, Hu & Yang 2019 (arXiv 1905.09646, section 3, equations 1 to 5).

    Per group: the dot product of every position with the group's pooled vector, normalised over
    positions, times a learnable scale (starts at 0) plus a learnable shift (starts at 1), sigmoid,
    multiplied with the group's features. Scale and shift are those of a group normalisation with
    one channel a group. The dot product is taken as a mean instead of a sum over the group's
    channels. The normalisation cancels the factor as long as the variance of the similarities over
    positions is well above its epsilon of 1e-5; where it is not, the gate is flatter than the
    paper's. The map is the mean gate over groups, 0 to 1.

    Raises:
        UsageError: the channels do not divide into the groups.
    """
    layers = keras.layers
    _, height, width, channels = x.shape
    if channels % groups:
        raise UsageError(f"SGE cannot divide {channels} channels into {groups} groups")
    rows = height * width * groups
    pooled = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_average")(x)
    similarity = layers.Multiply(name=f"{name}_products")([x, pooled])
    similarity = layers.Reshape((rows, channels // groups), name=f"{name}_by_group")(similarity)
    similarity = layers.GlobalAveragePooling1D("channels_first", name=f"{name}_dot")(similarity)
    similarity = layers.Reshape((height, width, groups), name=f"{name}_grid")(similarity)
    gate = layers.GroupNormalization(
        groups,
        epsilon=EPSILON,
        gamma_initializer="zeros",
        beta_initializer="ones",
        name=f"{name}_norm",
    )(similarity)
    gate = layers.Activation("sigmoid", name=f"{name}_sigmoid")(gate)
    flat = layers.Reshape((height * width, groups), name=f"{name}_gates")(gate)
    attention = layers.GlobalAveragePooling1D("channels_first", name=f"{name}_map")(flat)
    grouped = layers.Reshape((rows, channels // groups), name=f"{name}_features")(x)
    gate = layers.Reshape((rows, 1), name=f"{name}_gate")(gate)
    enhanced = layers.Multiply(name=f"{name}_apply")([grouped, gate])
    return layers.Reshape((height, width, channels), name=f"{name}_output")(enhanced), attention
