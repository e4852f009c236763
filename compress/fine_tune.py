"""Fine-tune a changed network until it says again what the float model said.

Pruning, clustering and fake quantization move a network away from the function it had. Here it is
pulled back by imitation alone: the float model answers for every augmented training view, and the
changed network learns that answer and that attention map (Hinton et al. 2015, arXiv 1503.02531;
for the map, Zagoruyko & Komodakis 2017, arXiv 1612.03928, equation 2). No label is used: what
the compressed model knows is what the float model knew, and its class prior and temperature, which
are folded into the float model's last layer, come along.

Works for Keras 3 and for `tf_keras`, whose models tensorflow-model-optimization needs.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import tensorflow as tf

from skinedge.errors import SkinEdgeError
from skinedge.train.batches import TrainingBatches
from skinedge.train.datasets.images import LabelledImages
from skinedge.train.mix import Mixing
from skinedge.train.recipes.recipe import Recipe

from .recipe import FineTune

__all__ = [
    "fine_tune",
    "imitation_batches",
    "imitation_loss",
    "map_distance",
]

TEMPERATURE = 2.0


def imitation_loss(teacher: tf.Tensor, student: tf.Tensor) -> tf.Tensor:
    """T^2 * KL(teacher || student) of two sets of logits `[n, classes]` -> `[n]`."""
    soft_teacher = tf.nn.log_softmax(tf.cast(teacher, tf.float32) / TEMPERATURE)
    soft_student = tf.nn.log_softmax(tf.cast(student, tf.float32) / TEMPERATURE)
    divergence = tf.reduce_sum(tf.exp(soft_teacher) * (soft_teacher - soft_student), axis=-1)
    return TEMPERATURE**2 * divergence


def map_distance(teacher: tf.Tensor, student: tf.Tensor) -> tf.Tensor:
    """Squared distance of two maps `[n, positions]`, each of unit length -> `[n]`."""
    difference = tf.math.l2_normalize(student, axis=-1) - tf.math.l2_normalize(teacher, axis=-1)
    return tf.reduce_sum(tf.square(difference), axis=-1)


def imitation_batches(
    teacher: Any, train: LabelledImages, recipe: Recipe, how: FineTune, seed: int
) -> tuple[tf.data.Dataset, int, list[SkinEdgeError]]:
    """Endless augmented batches with what `teacher` says of them, and how many make an epoch.

    Args:
        teacher: the float model, Keras 3, with outputs logits and perhaps a map.
        train: the training split.
        recipe: draws and varies views as it did in training, but never mixes them.
        how: decides how many draws make an epoch.
        seed: of the draws.

    Returns:
        (dataset of (pixels `[b, s, s, 3]`, tuple of the teacher's outputs), steps an epoch, what
        reading images raised: TensorFlow hands on its text alone, amid a stack of its own).
    """
    size = int(teacher.inputs[0].shape[1])
    draws = how.images_per_epoch or recipe.images_per_epoch
    recipe = replace(recipe, images_per_epoch=draws, mixing=Mixing())
    batches = TrainingBatches(train, recipe, size, seed)

    def pixels() -> Iterator[Any]:
        for step in itertools.count():
            batches.epoch, index = divmod(step, len(batches))
            try:
                yield batches[index][0]
            except SkinEdgeError as error:
                raised.append(error)
                raise

    raised: list[SkinEdgeError] = []
    signature = tf.TensorSpec((None, size, size, 3), tf.float32)
    outputs = len(teacher.outputs)

    @tf.function(input_signature=[signature])
    def ask(views: tf.Tensor) -> tuple[tf.Tensor, ...]:
        answer = teacher(views, training=False)
        return tuple(answer) if outputs > 1 else (answer,)

    dataset = tf.data.Dataset.from_generator(pixels, output_signature=signature)
    return dataset.map(lambda views: (views, ask(views))).prefetch(2), len(batches), raised


def fine_tune(
    keras: ModuleType,
    student: Any,
    teacher: Any,
    train: LabelledImages,
    recipe: Recipe,
    how: FineTune,
    seed: int,
    callbacks: Sequence[Any] = (),
) -> None:
    """Train `student` in place to imitate `teacher` on the training split.

    Args:
        keras: the namespace `student` was built in, `keras` or `tf_keras`.
        student: outputs logits and, where the teacher has one, a map of the same size.
        teacher: the finished float model, Keras 3.
        train: the training split.
        recipe: of the run; draws and varies views.
        how: how long and how fast.
        seed: of draws and dropout.
        callbacks: of `keras`; `tensorflow_model_optimization`'s go here.

    Raises:
        ImageError: a training image cannot be read.
    """
    dataset, steps, raised = imitation_batches(teacher, train, recipe, how, seed)
    total = steps * how.epochs
    rate = keras.optimizers.schedules.CosineDecay(how.learning_rate, total, alpha=0.01)
    losses, weights = [imitation_loss], [1.0]
    if len(student.outputs) > 1:
        losses, weights = [*losses, map_distance], [*weights, how.map_weight]
    keras.utils.set_random_seed(seed)
    student.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=how.weight_decay),
        loss=losses if len(losses) > 1 else losses[0],
        loss_weights=weights if len(losses) > 1 else None,
    )
    # Else Keras 3 traces the step twice, once to make the optimizer's variables.
    student.optimizer.build(student.trainable_variables)
    try:
        student.fit(
            dataset,
            epochs=how.epochs,
            steps_per_epoch=steps,
            shuffle=False,  # drawn at random already
            verbose=1 if sys.stderr.isatty() else 2,
            callbacks=list(callbacks),
        )
    except tf.errors.OpError:
        if raised:
            raise raised[0] from None
        raise
