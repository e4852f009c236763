"""Write docs/recipes.md from the recipes themselves; a test checks that it is current.

python tools/recipe_pages.py
"""

from __future__ import annotations

from pathlib import Path

from skinedge.edge_cli.recipes import recipe_page
from skinedge.train.recipes import RECIPES

__all__ = ["PAGE", "text"]

PAGE = Path(__file__).parents[1] / "docs" / "recipes.md"

OPENING = """# Recipes

Every published system here is one short file in `train/recipes/`. `skinedge recipes` lists them, \
`skinedge recipes NAME` prints what follows, `skinedge train NAME --data DIR` trains one, \
`--attention none` without its attention. What its authors report is a reference, never a \
result of SkinEdge. (This page is written by `python tools/recipe_pages.py`.)

ISIC 2017, 2019 and 2020 images were not at hand: their loaders and label maps were tried with \
the real tables of 2019 and 2020 and with drawn images. \
`python -m skinedge.benchmarks.every_recipe --data ham10000/` takes each recipe end to end on \
HAM10000's images relabelled: two epochs on 200 images, save, load, float TFLite compared with \
Keras. At 96 pixels (`--input-size 96`) that was run, and passed, for all of them; not at their \
own sizes. From random weights two epochs leave the answers nearly alike for all images, so \
those networks are compared with TFLite a second time, with the batch statistics of the compared \
images and last layers of unit spread; the last figure it prints is how far the answers then \
differ from image to image. The tests build every recipe and take two of them the whole way on \
drawn images.
"""


def text() -> str:
    """The whole page."""
    pages = [f"## {name}\n\n```\n{recipe_page(recipe)}\n```\n" for name, recipe in RECIPES.items()]
    return "\n".join([OPENING, *pages])


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
