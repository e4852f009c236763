"""Structured pruning: remove whole channels until a share of the multiply-accumulates is left.

Channels that move the network's answers and map least (see `importance`) go first, counted for the
time that goes with them, so that all layers compete for one budget. They go in steps, each followed
by fine-tuning and by measuring anew, and eight at a time, the least that XNNPACK's kernels make
use of. What is left is a plain smaller network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras
import numpy as np

from skinedge.errors import CompressionError
from skinedge.train.batches import TrainingBatches
from skinedge.train.datasets.images import LabelledImages
from skinedge.train.mix import Mixing
from skinedge.train.recipes.recipe import Recipe
from skinedge.train.zoo.cost import multiply_accumulates, parameters

from .channels import Cost, Group, costs, keep_channels, removable_groups
from .convert import require_tensorflow
from .fine_tune import fine_tune
from .importance import importance
from .recipe import Slim

__all__ = ["Size", "SlimReport", "choose", "cut", "slim"]

TILE = 8  # channels that XNNPACK's int8 kernels compute together on every device
# A multiply-accumulate of a depthwise convolution takes XNNPACK as long as so many of another int8
# convolution: it reads one weight for each value, and has no dot product of four to use.
DEPTHWISE = 8
LEAST_SHARE = 1 / 8  # of a group's channels that stay, so that no layer is strangled
IMAGES = 256  # training views that channels and batch statistics are measured on


@dataclass(frozen=True)
class Size:
    """What a network costs; see `zoo.cost`.

    Attributes:
        macs: multiply-accumulates for one image.
        parameters: all weights.
        channels: of each group, by its name.
    """

    macs: int
    parameters: int
    channels: dict[str, int]


@dataclass(frozen=True)
class SlimReport:
    """What `slim` did."""

    before: Size
    after: Size

    def summary(self) -> str:
        """One line."""
        return (
            f"{self.after.macs / self.before.macs:.1%} of the multiply-accumulates and "
            f"{self.after.parameters / self.before.parameters:.1%} of the parameters are left"
        )


def _fewer(channels: int) -> int:
    """The next smaller multiple of `TILE`."""
    return (channels - 1) // TILE * TILE


def choose(
    model: Any,
    groups: Sequence[Group],
    worth: Mapping[str, np.ndarray],
    target: float,
    least: Mapping[str, int],
) -> dict[str, np.ndarray]:
    """Which channels stay: those worth least for the time they take go first.

    Args:
        model: the network.
        groups: of its channels.
        worth: `[channels]` by group, not negative.
        target: multiply-accumulates that may be left.
        least: channels that stay, by group.

    Returns:
        Ascending indices by group, as many as a multiple of eight where any went.

    Raises:
        CompressionError: the target needs more channels than may go.
    """
    rows = costs(model, groups)
    channels = {group.name: group.channels for group in groups}
    width = dict(channels)
    touching = {name: [row for row in rows if name in row.groups] for name in channels}

    def macs(some: Sequence[Cost], depthwise: int = 1) -> float:
        return sum(
            row.whole
            * (depthwise if row.depthwise else 1)
            * math.prod(width[name] / channels[name] for name in row.groups)
            for row in some
        )

    cheapest_first = {name: np.argsort(worth[name], kind="stable") for name in channels}

    def price(name: str) -> float:
        """What the next channels of a group are worth for the time that they take."""
        now = width[name]
        after = _fewer(now)
        if after < least[name]:
            return math.inf
        gone = cheapest_first[name][channels[name] - now : channels[name] - after]
        before = macs(touching[name], DEPTHWISE)
        width[name] = after
        saved = before - macs(touching[name], DEPTHWISE)
        width[name] = now
        return float(worth[name][gone].sum()) / saved

    while (left := macs(rows)) > target:
        best, name = min((price(name), name) for name in channels)
        if best == math.inf:
            share = math.ceil(100 * left / sum(row.whole for row in rows))
            raise CompressionError(
                f"{model.name}: cannot lose so many channels: the least is {left / 1e6:.0f} "
                f"million multiply-accumulates, {share} % of them; ask for slim{share} or more"
            )
        width[name] = _fewer(width[name])
    return {
        name: np.sort(cheapest_first[name][channels[name] - width[name] :]) for name in channels
    }


def _normalisations(model: Any) -> list[Any]:
    return [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]


def _observed(model: Any, views: Iterable[np.ndarray]) -> Any:
    """A copy whose batch normalisations have the mean statistics of these batches."""
    copy = keep_channels(model, {})
    for step, batch in enumerate(views):
        for layer in _normalisations(copy):
            layer.momentum = step / (step + 1)  # the running mean of all batches so far
        copy(batch, training=True)
    return copy


def cut(
    model: Any, kept: Mapping[str, np.ndarray], views: Callable[[], Iterable[np.ndarray]]
) -> Any:
    """The network with only these channels, batch statistics moved by what the cut moved them.

    The moves are taken from the same views before and after, and applied to the statistics of
    training. Plainly estimating those anew would also bring in the views' own mix of classes, and
    what averaged weights (`Stage.ema_momentum`) have against their own statistics.

    Args:
        model: stays as it is.
        kept: ascending indices by group; see `keep_channels`.
        views: gives the same batches of its input at every call.
    """
    slim = keep_channels(model, kept)
    expected = keep_channels(_observed(model, views()), kept)
    found = _observed(slim, views())
    for layer in _normalisations(slim):
        *learned, mean, variance = layer.get_weights()
        *_, mean_then, variance_then = expected.get_layer(layer.name).get_weights()
        *_, mean_now, variance_now = found.get_layer(layer.name).get_weights()
        ratio = (variance_now + layer.epsilon) / (variance_then + layer.epsilon)
        layer.set_weights([*learned, mean + mean_now - mean_then, variance * ratio])
    return slim


def _views(train: LabelledImages, recipe: Recipe, size: int, seed: int) -> Iterator[np.ndarray]:
    """Batches as in training, but of one lesion each image."""
    recipe = replace(recipe, images_per_epoch=IMAGES, mixing=Mixing())
    batches = TrainingBatches(train, recipe, size, seed)
    for step in range(len(batches)):
        yield batches[step][0]


def _epochs(epochs: int, steps: int) -> list[int]:
    """Fine-tuning after each cut: little in between, the most at the end."""
    between = min(math.ceil(epochs / (2 * steps)), epochs // steps)
    return [between] * (steps - 1) + [epochs - between * (steps - 1)]


def _size(model: Any) -> Size:
    """With every group, also those too small to lose any: a file is restored by these figures."""
    groups = removable_groups(model, at_least=1)
    channels = {group.name: group.channels for group in groups}
    return Size(multiply_accumulates(model), parameters(model), channels)


def slim(
    model: Any,
    teacher: Any,
    train: LabelledImages,
    recipe: Recipe,
    how: Slim,
    seed: int,
    progress: Callable[[str], None] = lambda step: None,
) -> tuple[Any, SlimReport]:
    """Remove channels in steps and fine-tune after each; every step leaves the same share.

    Args:
        model: Keras 3, flat and functional; stays as it is.
        teacher: the float model that `fine_tune` imitates.
        train: the training split.
        recipe: of the run; draws and varies views.
        how: how much goes, in how many steps, and fine-tuning; 0 epochs only cut.
        seed: of draws.
        progress: called with a line before each step.

    Returns:
        (a plain smaller network of the same layers' names, not compiled; what was done).

    Raises:
        CompressionError: Keras runs on another backend than TensorFlow, or nothing can go, or
            not enough.
    """
    require_tensorflow("removing channels")
    groups = removable_groups(model)
    if not groups:
        raise CompressionError(f"{model.name}: no convolution has channels that can go")
    least = {g.name: TILE * math.ceil(g.channels * LEAST_SHARE / TILE) for g in groups}
    before = _size(model)
    # No channel's worth decides whether the whole cut can be made: ask before hours of tuning.
    alike = {g.name: np.ones(g.channels) for g in groups}
    choose(model, groups, alike, how.macs * before.macs, least)
    side = int(model.inputs[0].shape[1])
    student = model
    for step, epochs in enumerate(_epochs(how.tune.epochs, how.steps), 1):
        share = how.macs ** (step / how.steps)
        progress(f"slim {step}/{how.steps}: cut to {share:.0%} of the multiply-accumulates")
        groups = [g for g in removable_groups(student, at_least=1) if g.name in least]
        views = partial(_views, train, recipe, side, seed + step)
        worth = importance(student, groups, views(), seed + step, how.tune.map_weight)
        student = cut(student, choose(student, groups, worth, share * before.macs, least), views)
        if epochs:
            progress(f"slim {step}/{how.steps}: fine-tune")
            tune = replace(how.tune, epochs=epochs)
            fine_tune(keras, student, teacher, train, recipe, tune, seed + step)
    student = keep_channels(student, {})  # without optimizer and losses
    return student, SlimReport(before, _size(student))
