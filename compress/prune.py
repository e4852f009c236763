"""Magnitude pruning: the smallest weights become zero, and the others learn to do without them.

Zhu & Gupta 2017 (arXiv 1710.01878), as tensorflow-model-optimization implements it, on the
tf_keras twin. Kernels of full and pointwise convolutions and of hidden dense layers are pruned.
Left alone:

- depthwise kernels: 9 or 25 weights a channel, 3 % of an EfficientNet-Lite0, each the only reader
  of its channel; tensorflow-model-optimization never prunes them, nor has any runtime a sparse
  kernel for them;
- the layer that reads the pixels: under a thousand weights that everything else builds on;
- `logits`, and the layers of attention blocks: few weights, and what the maps are made of.

Zeros alone make no file smaller and no inference faster: both store and multiply them. Compressed
files shrink; so do runtimes with sparse kernels, and hardware that knows the 2-by-4 pattern.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tf_keras

from skinedge.errors import CompressionError
from skinedge.train.datasets.images import LabelledImages
from skinedge.train.recipes.recipe import Recipe

from .fine_tune import fine_tune, imitation_batches
from .recipe import Prune
from .twin import tfmot, twin, untwin

__all__ = [
    "LayerSparsity",
    "Sparsity",
    "kernels",
    "layer_sparsities",
    "prune",
    "sparsity",
    "worth_compressing",
]

# Masks are made anew this many times in a fine-tuning; the polynomial schedule reaches its target
# after this share of the steps and leaves the rest to recover.
MASK_UPDATES = 40
PRUNING_SHARE = 0.75


@dataclass(frozen=True)
class LayerSparsity:
    """Zeros in one kernel.

    Attributes:
        layer: its name.
        weights: of the kernel.
        zeros: among them.
    """

    layer: str
    weights: int
    zeros: int


@dataclass(frozen=True)
class Sparsity:
    """Zeros in all kernels of a model.

    Attributes:
        layers: one row a kernel, in the order of the model.
    """

    layers: tuple[LayerSparsity, ...]

    @property
    def overall(self) -> float:
        """Share of zeros among all kernels' weights, 0 to 1."""
        return sum(row.zeros for row in self.layers) / sum(row.weights for row in self.layers)

    def summary(self) -> str:
        """One line."""
        return f"{self.overall:.1%} of the kernels' weights are zero"


def kernels(model: Any) -> dict[str, np.ndarray]:
    """Kernels by layer name, of a Keras 3 model or a twin; depthwise ones too."""
    return {
        layer.name: np.asarray(layer.get_weights()[0])
        for layer in model.layers
        if type(layer).__name__ in ("Conv1D", "Conv2D", "DepthwiseConv2D", "Dense")
    }


def sparsity(model: Any) -> Sparsity:
    """Count the zeros in every kernel of a Keras 3 model or a twin."""
    return Sparsity(
        tuple(
            LayerSparsity(name, kernel.size, int(np.sum(kernel == 0)))
            for name, kernel in kernels(model).items()
        )
    )


def worth_compressing(model: Any) -> tuple[str, ...]:
    """Names of the layers whose kernels are pruned and clustered; see the module's docstring."""
    chosen = []
    for layer in model.layers:
        kind = type(layer).__name__
        if kind not in ("Conv2D", "Dense") or layer.name == "logits" or not layer.trainable:
            continue
        if layer.name.startswith("attention") or layer.get_weights()[0].shape[-2] <= 3:
            continue
        chosen.append(layer.name)
    if not chosen:
        raise CompressionError(
            "no layer to prune or cluster: the model has no trainable Conv2D or hidden Dense "
            "outside its attention blocks"
        )
    return tuple(chosen)


def layer_sparsities(model: Any, how: Prune) -> dict[str, float]:
    """Target of every layer that is pruned, by name.

    With the `global` scope a weight goes if its magnitude is among the smallest of all layers'.
    """
    names = worth_compressing(model)
    if how.scope == "layer":
        return dict.fromkeys(names, how.sparsity)
    magnitudes = {name: np.abs(kernels(model)[name]) for name in names}
    threshold = np.quantile(np.concatenate([m.ravel() for m in magnitudes.values()]), how.sparsity)
    return {  # one weight stays, or the layer would cut the network
        name: min(float(np.mean(m < threshold)), 1 - 1 / m.size) for name, m in magnitudes.items()
    }


def _schedule(how: Prune, target: float, steps: int) -> Any:
    """The schedule of one layer; it ends on a step at which masks are made anew."""
    schedules = tfmot.sparsity.keras
    every = max(1, steps // MASK_UPDATES)
    if how.schedule == "constant":
        return schedules.ConstantSparsity(target, begin_step=1, frequency=every)
    end = every * max(1, int(PRUNING_SHARE * steps / every))
    return schedules.PolynomialDecay(0.0, target, begin_step=0, end_step=end, frequency=every)


def _check(how: Prune) -> None:
    if not 0 < how.sparsity < 1:
        raise CompressionError(f"sparsity {how.sparsity} is not between 0 and 1")
    if how.schedule not in ("polynomial", "constant") or how.scope not in ("layer", "global"):
        raise CompressionError(f"no pruning by schedule {how.schedule!r} and scope {how.scope!r}")
    if how.pattern and (how.pattern, how.sparsity, how.scope) != ("2-by-4", 0.5, "layer"):
        raise CompressionError("the one pattern, 2-by-4, is a sparsity of 0.5 in every layer")
    if how.tune.epochs < 1:
        raise CompressionError("pruning happens while fine-tuning: give it at least one epoch")


def prune(
    model: Any, teacher: Any, train: LabelledImages, recipe: Recipe, how: Prune, seed: int
) -> tuple[Any, Sparsity]:
    """Prune while fine-tuning; zeros are zeros in what comes back.

    The 2-by-4 pattern zeroes two of every four consecutive input channels, all in the first step.

    Args:
        model: Keras 3, from `zoo.build` or the smaller network left of one; stays as it is.
        teacher: the float model that `fine_tune` imitates.
        train: the training split.
        recipe: of the run; draws and varies views.
        how: how many weights go, when, which, and fine-tuning of at least one epoch.
        seed: of draws and dropout.

    Returns:
        (a Keras 3 model of the same layers, its zeros).

    Raises:
        CompressionError: a layer has no twin, there is nothing to prune, or settings do not fit.
    """
    _check(how)
    targets = layer_sparsities(model, how)
    _, steps, _ = imitation_batches(teacher, train, recipe, how.tune, seed)

    def wrapped(layer: Any) -> Any:
        if layer.name not in targets:
            return layer
        schedule = _schedule(how, targets[layer.name], steps * how.tune.epochs)
        pattern = (2, 4) if how.pattern else None
        return tfmot.sparsity.keras.prune_low_magnitude(
            layer, pruning_schedule=schedule, sparsity_m_by_n=pattern
        )

    student = tf_keras.models.clone_model(twin(model), clone_function=wrapped)
    callbacks = [tfmot.sparsity.keras.UpdatePruningStep()]
    fine_tune(tf_keras, student, teacher, train, recipe, how.tune, seed, callbacks)
    pruned = untwin(tfmot.sparsity.keras.strip_pruning(student), model)
    return pruned, sparsity(pruned)
