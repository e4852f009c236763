"""`skinedge recipes [NAME]`"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from skinedge.errors import UsageError

from .options import Json
from .stations import station

__all__ = ["recipe_page", "recipes"]


def _row(recipe: Any) -> str:
    spec = recipe.spec
    return (
        f"{recipe.name:26} {spec.backbone:20} {spec.attention_name():15} {spec.input_size:4} px  "
        f"{recipe.task:11} {recipe.source}"
    )


def recipe_page(recipe: Any) -> str:
    """All of a recipe that people ask for, as lines."""
    spec = recipe.spec
    places = [f"{p.block} after {', '.join(p.after)}" for p in spec.attention]
    stages = [
        f"{s.epochs} epochs at {s.input_size} px, rate {s.learning_rate:g}, {s.schedule}"
        + (f", weights averaged ({s.ema_momentum:g})" if s.ema_momentum else "")
        + (", backbone frozen" if s.trains == "head" else "")
        for s in recipe.stages
    ]
    loss = recipe.loss
    lines = [
        f"{recipe.name} ({recipe.source})",
        f"  backbone   {spec.backbone}",
        f"  attention  {'; '.join(places) or 'none'}",
        f"  head       {spec.head}, dropout {spec.dropout:g}",
        f"  classes    {', '.join(spec.classes)}",
        *[f"  stage {index}    {stage}" for index, stage in enumerate(stages, 1)],
        f"  batch      {recipe.batch_size}, {recipe.optimizer}, "
        f"classes drawn as lesions ** {recipe.sampling_power:g} (as images where a set names "
        "patients)",
        f"  loss       {loss.name}, class weights {loss.class_weights}, "
        f"label smoothing {loss.label_smoothing:g}",
    ]
    if recipe.folds > 1:
        lines.append(
            f"  folds      {recipe.folds}, trained one at a time: --fold 1/{recipe.folds} to "
            f"{recipe.folds}/{recipe.folds}, each with an --out of its own"
        )
    if recipe.test_views > 1:
        lines.append(f"  testing    mean over {recipe.test_views} flips and turns")
    if published := recipe.published:
        lines.append(f"  from       {published.citation}")
        figures = ", ".join(f"{name} {value:g}" for name, value in published.figures)
        lines.append(f"  reported   {figures or 'no figure of this network'}")
        lines.append(f"             on {published.data}; a reference, not a result of ours")
        lines += [f"  differs    {difference}" for difference in published.differences]
    lines += [f"  here       {line}" for line in _not_reached_here(recipe)]
    return "\n".join(lines)


def _not_reached_here(recipe: Any) -> list[str]:
    """What this project could not try, where the user reads about the recipe."""
    backbone = station("train.zoo.backbones", "train").BACKBONES[recipe.spec.backbone]
    if backbone.weights_package:
        return []
    if isinstance(backbone.network, station("train.zoo.applications", "train").Application):
        source = "Keras downloads this backbone's ImageNet weights, or --weights FILE reads them."
    else:
        source = "--weights FILE reads torchvision's ImageNet weights; Keras has none."
    never = "SkinEdge's authors could not download them: the recipe was never trained in full."
    return [f"{source} {never}"]


def recipes(
    name: Annotated[str | None, typer.Argument(help="One recipe, in full.")] = None,
    json_lines: Json = False,
) -> None:
    """List the training recipes, or show one in full with what its authors report.

    Needs skinedge[train].

    Examples:

      skinedge recipes

      skinedge recipes going-smaller-sge
    """
    table = station("train.recipes", "train").RECIPES
    if name is not None and name not in table:
        raise UsageError(f"unknown recipe {name!r}; there are: {', '.join(table)}")
    chosen = list(table.values()) if name is None else [table[name]]
    for recipe in chosen:
        if json_lines:
            print(json.dumps(asdict(recipe)))
        else:
            print(_row(recipe) if name is None else recipe_page(recipe))
