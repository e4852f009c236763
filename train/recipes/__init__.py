"""Every recipe by name."""

from __future__ import annotations

from .edge import EDGE, EDGE_128
from .recipe import Recipe, Stage

__all__ = ["RECIPES", "Recipe", "Stage"]

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (EDGE, EDGE_128)}
