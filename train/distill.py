"""Knowledge distillation: a small model learns what bigger ones say, and where they look.

Teachers stand inside the training graph, frozen, and see the very view the student sees (Beyer et
al. 2022, arXiv 2106.05237, section 3.1). Outputs carry student and teacher side by side, so an
ordinary Keras loss compares them, on every backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import keras
from keras import ops

from skinedge.errors import UsageError

from .calibrate import EqualPrior

__all__ = ["Distillation", "Distilled", "MapTransfer", "with_teachers"]


@dataclass(frozen=True)
class Distillation:
    """How much a teacher counts.

    Attributes:
        share: of the loss that is the teacher's, 0 to 1; the labels have the rest.
        temperature: softens both answers.
        map_weight: of the attention transfer, where all teachers have the student's block.
    """

    share: float = 0.5
    temperature: float = 2.0
    map_weight: float = 1.0


@keras.saving.register_keras_serializable("skinedge")
class Distilled(keras.losses.Loss):
    """(1 - share) * loss(labels) + share * T^2 * KL(teacher || student), both at temperature T.

    Hinton et al. 2015 (arXiv 1503.02531, section 2). `y_pred` is student logits and teacher log
    probabilities side by side, `[n, 2 * classes]`.
    """

    def __init__(
        self,
        labels: keras.losses.Loss,
        share: float,
        temperature: float,
        equal_prior: EqualPrior,
        name: str = "distilled",
    ) -> None:
        super().__init__(name=name)
        self.labels, self.share, self.temperature = labels, share, temperature
        self.equal_prior = equal_prior

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """`y_true` shares of classes `[n, classes]` -> `[n]`."""
        student, teacher = ops.split(y_pred, 2, axis=-1)
        # Both as if classes were equally common, which is how `runs.load_equal_prior` has it.
        prior = ops.convert_to_tensor(self.equal_prior.log_prior, student.dtype)
        balanced = student * self.equal_prior.scale - prior
        soft_teacher = ops.log_softmax(teacher / self.temperature, axis=-1)
        soft_student = ops.log_softmax(balanced / self.temperature, axis=-1)
        divergence = ops.sum(ops.exp(soft_teacher) * (soft_teacher - soft_student), axis=-1)
        own = self.labels.call(y_true, student)
        return (1 - self.share) * own + self.share * self.temperature**2 * divergence

    def get_config(self) -> dict[str, Any]:
        return {
            "labels": keras.saving.serialize_keras_object(self.labels),
            "share": self.share,
            "temperature": self.temperature,
            "equal_prior": asdict(self.equal_prior),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Distilled:
        labels = keras.saving.deserialize_keras_object(config.pop("labels"))
        equal_prior = EqualPrior(**config.pop("equal_prior"))
        return cls(labels, equal_prior=equal_prior, **config)


@keras.saving.register_keras_serializable("skinedge")
class MapTransfer(keras.losses.Loss):
    """Squared distance of the two maps, each of unit length.

    Zagoruyko & Komodakis 2017 (arXiv 1612.03928, equation 2). `y_pred` is the student's and the
    teacher's map side by side, `[n, 2 * positions]`; `y_true` is not looked at.
    """

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        student, teacher = ops.split(y_pred, 2, axis=-1)
        difference = ops.normalize(student, axis=-1) - ops.normalize(teacher, axis=-1)
        return ops.sum(ops.square(difference), axis=-1)


class _Frozen(keras.Model):
    """A finished model that answers as it was finished, also while the model around it trains.

    A Keras model hands its own `training` on to every layer in it, whatever the layer was called
    with. A teacher would then drop features, and others in a resumed run than in an unbroken one.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return super().call(inputs, training=False, mask=mask)


def _named(teacher: Any, name: str) -> Any:
    """A frozen copy of a finished model, `name` before all its layers' names.

    With PyTorch, Keras looks weights up by path. Of a student's and a teacher's weight of one
    path it would forget the student's, and add up its gradients from step to step (Keras 3.15).
    """

    def renamed(layer: Any) -> Any:
        config = layer.get_config()
        return type(layer).from_config({**config, "name": f"{name}_{config['name']}"})

    copy = keras.models.clone_model(teacher, clone_function=renamed)
    copy.set_weights(teacher.get_weights())
    frozen = _Frozen(copy.inputs, copy.outputs, name=name)
    frozen.trainable = False
    return frozen


def _at_size(keras_layers: Any, x: Any, size: int, name: str) -> Any:
    return x if x.shape[1] == size else keras_layers.Resizing(size, size, name=name)(x)


def _square(positions: int) -> int:
    return round(positions**0.5)


def with_teachers(student: Any, teachers: Sequence[Any], maps: bool) -> Any:
    """A model that trains `student` beside its frozen teachers.

    Args:
        student: from `zoo.build`.
        teachers: finished models with the student's classes, of any input size.
        maps: whether maps are to be compared, where all have one.

    Returns:
        A model with the outputs `answers` `[n, 2 * classes]`, student logits and the log of the
        teachers' mean probabilities, and perhaps `maps` `[n, 2 * positions]`, the student's and
        the teachers', averaged and resampled to the student's grid.

    Raises:
        UsageError: a teacher has other classes.
    """
    layers = keras.layers
    pixels, (logits, *own) = student.inputs[0], student.outputs
    probabilities, teacher_maps = [], []
    for index, teacher in enumerate(teachers):
        if teacher.outputs[0].shape[-1] != logits.shape[-1]:
            raise UsageError(f"teacher {index + 1} answers for other classes than the student")
        frozen = _named(teacher, f"teacher{index}")
        view = _at_size(layers, pixels, teacher.inputs[0].shape[1], f"teacher{index}_view")
        answer = frozen(view)
        answer = answer if isinstance(answer, list) else [answer]
        probabilities.append(layers.Softmax(name=f"teacher{index}_softmax")(answer[0]))
        if own and len(answer) > 1:
            side = _square(answer[1].shape[-1])
            grid = layers.Reshape((side, side, 1), name=f"teacher{index}_grid")(answer[1])
            grid = _at_size(layers, grid, _square(own[0].shape[-1]), f"teacher{index}_resampled")
            teacher_maps.append(layers.Flatten(name=f"teacher{index}_map")(grid))

    def mean(parts: list[Any], name: str) -> Any:
        return parts[0] if len(parts) == 1 else layers.Average(name=name)(parts)

    log_mean = ops.log(ops.maximum(mean(probabilities, "teachers"), 1e-7))
    outputs = {"answers": layers.Concatenate(name="answers")([logits, log_mean])}
    if maps and len(teacher_maps) == len(teachers):
        both = [own[0], mean(teacher_maps, "teacher_maps")]
        outputs["maps"] = layers.Concatenate(name="maps")(both)
    return keras.Model(pixels, outputs)
