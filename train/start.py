"""What a training starts from: the recipe's network with random or ImageNet weights, or a finished
run.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from skinedge.errors import RunError

from .calibrate import EqualPrior, unread
from .datasets.splits import Split
from .description import Options
from .recipes.recipe import Recipe
from .runs import Run, load, load_equal_prior
from .zoo.build import build
from .zoo.spec import ModelSpec
from .zoo.weights import load_imagenet

__all__ = ["fresh_network", "load_start"]


def _moved(value: Any, here: Any, there: Any) -> Any:
    """`value` of a configuration, but `there` where that differs from `here`."""
    if here == there:
        return value
    if isinstance(value, tuple | list) and len(value) == len(here) == len(there):
        return type(value)(map(_moved, value, here, there))
    return there


def fresh_network(spec: ModelSpec, options: Options) -> Any:
    """A network with random weights: that of the spec, or as compression has changed it in the run
    to go on from (channels removed, swish exchanged).

    Args:
        spec: of the recipe, at the input size of a stage.
        options: where the weights will come from.

    Raises:
        RunError: the run to go on from is unfinished, or of another network.
        UsageError: the spec names what does not exist.
    """
    run = options.start
    if run is None or not run.describe().get("changed"):
        return build(spec, keras)
    changed = load(run)
    if not _is_of(run, spec):
        raise RunError(_other_network(run))
    # What the input size decides is what differs between the spec's networks of the two sizes.
    size = int(changed.inputs[0].shape[1])
    there = _configurations(spec)
    here = there if size == spec.input_size else _configurations(replace(spec, input_size=size))

    def renewed(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, keras.layers.Layer):  # not an operation, `x + 3`
            config["dtype"] = keras.config.dtype_policy().name
        if layer.name == "dropout":
            config["rate"] = spec.dropout
        old, new = here.get(layer.name, {}), there.get(layer.name, {})
        for key in config.keys() & old.keys() & new.keys():
            config[key] = _moved(config[key], old[key], new[key])
        return type(layer).from_config(config)

    pixels = keras.Input(there["pixels"]["batch_shape"][1:], name="pixels")
    return keras.models.clone_model(changed, input_tensors=pixels, clone_function=renewed)


def _configurations(spec: ModelSpec) -> dict[str, dict[str, Any]]:
    """Of each layer of the spec's network, by its name."""
    return {layer.name: layer.get_config() for layer in build(spec, keras).layers}


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


def _is_of(run: Run, spec: ModelSpec) -> bool:
    described = run.describe()["recipe"]["spec"]
    return all(described.get(key) == value for key, value in _network(spec).items())


def _other_network(run: Run) -> str:
    return f"{run.folder}: cannot go on from it, it is another network than the recipe's"


def _go_on(model: Any, recipe: Recipe, run: Run, split: Split, reading: EqualPrior) -> None:
    """The run's weights, its last layer such that `reading` of the logits are the run's logits
    for equally common classes: whatever loss either has, the answers are the same at first."""
    trained = load_equal_prior(run, split)
    if not _is_of(run, recipe.spec):
        raise RunError(_other_network(run))
    try:
        model.set_weights(trained.get_weights())
    except ValueError as error:  # a flattened head has weights for each position
        raise RunError(_other_network(run)) from error
    unread(model.get_layer("logits"), reading)
