"""What each channel is worth: how far its removal moves the network's own answers and map.

Measured by the loss that fine-tuning minimises afterwards (see `fine_tune`). At the network itself
that loss and its gradient are zero; what is left is its curvature. For a divergence of answers
that is Fisher's information: the mean square of the gradient that an answer *drawn from the
network* gives, which makes this Fisher pruning (Theis et al. 2018, arXiv 1801.05787), or the gate
form of the first-order Taylor criterion (Molchanov et al. 2019, arXiv 1906.10771) with drawn
answers in place of labels. For a distance of maps it is the mean square of the gradient along
random directions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .channels import Group, nodes
from .fine_tune import TEMPERATURE

__all__ = ["importance"]


def _worth(outputs: Sequence[tf.Tensor], seed: tf.Tensor, map_weight: float) -> tf.Tensor:
    """A scalar whose squared gradient is, on average over draws, the imitation loss's curvature.

    Half the Hessian of T^2 * KL is T^2 / 2 times the Fisher information of answers drawn at
    temperature T; that of a squared distance is J'J, and E[(e'J)'(e'J)] = J'J for normal e.
    """
    logits, *maps = (tf.cast(output, tf.float32) for output in outputs)
    soft = tf.nn.log_softmax(logits / TEMPERATURE)
    drawn = tf.random.stateless_categorical(tf.stop_gradient(soft), 1, seed)[:, 0]
    worth = TEMPERATURE / math.sqrt(2) * tf.reduce_sum(tf.gather(soft, drawn, batch_dims=1))
    if maps:
        unit = tf.math.l2_normalize(maps[0], axis=-1)
        direction = tf.random.stateless_normal(tf.shape(unit), seed + 1)
        worth += math.sqrt(map_weight) * tf.reduce_sum(direction * unit)
    return worth


def importance(
    model: Any,
    groups: Sequence[Group],
    views: Iterable[np.ndarray],
    seed: int,
    map_weight: float = 1.0,
) -> dict[str, np.ndarray]:
    """How far the imitation loss would rise, to second order, without each single channel.

    Args:
        model: outputs logits and perhaps a map.
        groups: of its channels.
        views: batches of its input, float32 `[n, h, w, 3]`.
        seed: of the drawn answers and directions.
        map_weight: of the map's distance beside the answers'.

    Returns:
        float64 `[channels]` by group, in the loss's own unit, never negative.
    """
    inputs = {
        node.operation.name: node.input_tensors[0] for node in nodes(model) if node.parent_nodes
    }
    # Several layers may read one tensor, which then counts once.
    taps = {id(inputs[name]): inputs[name] for group in groups for name in group.consumers}
    probe = keras.Model(model.inputs, [*taps.values(), *model.outputs])

    @tf.function(reduce_retracing=True)
    def ask(batch: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(batch)  # records everything, whatever is trainable
            outputs = probe([batch], training=False)
            features, answers = outputs[: len(taps)], outputs[len(taps) :]
            worth = _worth(answers, seed, map_weight)
        rows = []
        for x, slope in zip(features, tape.gradient(worth, features), strict=True):
            rows.append(tf.reduce_sum(x * slope, list(range(1, len(x.shape) - 1))))
        return rows

    total = {group.name: np.zeros(group.channels) for group in groups}
    images = 0
    for step, batch in enumerate(views):
        moved = ask(tf.convert_to_tensor(batch), tf.constant([seed, 2 * step]))
        by_tap = {tap: row.numpy().astype(np.float64) for tap, row in zip(taps, moved, strict=True)}
        images += len(batch)
        for group in groups:
            read = dict.fromkeys(id(inputs[name]) for name in group.consumers)
            total[group.name] += np.square(sum(by_tap[tap] for tap in read)).sum(axis=0)
    return {name: squares / images for name, squares in total.items()}
