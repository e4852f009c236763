"""The weights a training starts from: random, ImageNet's, or those of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skinedge.errors import RunError

from .calibrate import EqualPrior, unread
from .datasets.splits import Split
from .description import Options
from .recipes.recipe import Recipe
from .runs import Run, load_equal_prior
from .zoo.spec import ModelSpec
from .zoo.weights import load_imagenet

__all__ = ["load_start"]


def load_start(
    model: Any, recipe: Recipe, options: Options, split: Split, reading: EqualPrior
) -> None:
    """Give a fresh network its first weights.

    Args:
        model: built from the recipe's spec, at any input size.
        recipe: what it will be trained by.
        options: where the weights come from; random ones stay as they are.
        split: what it will be trained on.
        reading: how logits trained by the recipe are brought to equally common classes.

    Raises:
        RunError: the run to go on from is unfinished, of another network, or of another split.
        ModelFileError: the ImageNet weights cannot be had.
    """
    if run := options.start:
        _go_on(model, recipe, run, split, reading)
    elif options.weights != "none":
        file = None if options.weights == "imagenet" else Path(options.weights)
        load_imagenet(model, recipe.spec.backbone, file)


def _network(spec: ModelSpec) -> dict[str, Any]:
    """What of a spec decides the weights' meaning, as JSON has it. Blocks may differ and still
    have weights of the same shapes."""
    attention = [{"block": p.block, "after": list(p.after)} for p in spec.attention]
    return {"backbone": spec.backbone, "attention": attention, "head": spec.head}


def _go_on(model: Any, recipe: Recipe, run: Run, split: Split, reading: EqualPrior) -> None:
    """The run's weights, its last layer such that `reading` of the logits are the run's logits
    for equally common classes: whatever loss either has, the answers are the same at first."""
    trained = load_equal_prior(run, split)
    description, network = run.describe(), _network(recipe.spec)
    described = description["recipe"]["spec"]
    refusal = f"{run.folder}: cannot go on from it, it is another network than {recipe.name}'s"
    # A restored one may be its recipe's, changed by compression: weights fit, functions do not.
    if description.get("changed") or {key: described.get(key) for key in network} != network:
        raise RunError(refusal)
    try:
        model.set_weights(trained.get_weights())
    except ValueError as error:  # a flattened head has weights for each position
        raise RunError(refusal) from error
    unread(model.get_layer("logits"), reading)
