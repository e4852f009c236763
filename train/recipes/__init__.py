"""Every recipe by name."""

from __future__ import annotations

from .deep_lesion_scan import DEEP_LESION_SCAN
from .edge import EDGE, EDGE_128, EDGE_128_B0
from .efficientnet_b3 import CBAM_B3, MELANOMA_B3
from .going_smaller import GOING_SMALLER
from .loss import Loss
from .recipe import Published, Recipe, Stage
from .soft_attention import SOFT_ATTENTION

__all__ = ["RECIPES", "Loss", "Published", "Recipe", "Stage"]

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        EDGE,
        EDGE_128,
        EDGE_128_B0,
        *SOFT_ATTENTION,
        *GOING_SMALLER,
        MELANOMA_B3,
        CBAM_B3,
        DEEP_LESION_SCAN,
    )
}
