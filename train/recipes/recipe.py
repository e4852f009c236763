"""A training recipe is plain data: a spec, a schedule, how images are drawn and varied."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..augment import Augmentation
from ..mix import Mixing
from ..zoo.spec import ModelSpec, Placed
from .loss import Loss

__all__ = ["Published", "Recipe", "Stage"]


@dataclass(frozen=True)
class Published:
    """What a system's authors report: a reference, never a result of ours.

    Attributes:
        citation: where.
        figures: metric and value, as they name it.
        data: the set the figures are of.
        parameters: of their network, where they or Keras give the number.
        differences: what this recipe does otherwise than they did, one sentence each.
    """

    citation: str
    figures: tuple[tuple[str, float], ...]
    data: str
    parameters: int | None = None
    differences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """A stretch of training at one input size, with its own schedule.

    Attributes:
        input_size: side of the square input, pixels.
        epochs: at most so many.
        learning_rate: the peak.
        final_learning_rate: where the cosine ends; the floor of `plateau`.
        ema_momentum: of an exponential moving average of the weights, which is then what is
            validated and kept; 0 keeps the weights themselves.
        schedule: `cosine` after a warm-up; `plateau`: divided by `plateau_factor` when the
            validation score has not risen for `plateau_patience` epochs; or `constant`.
        warm_up: epochs over which the rate climbs to its peak; with `cosine`.
        plateau_factor: what the rate is divided by.
        plateau_patience: epochs without a rise.
        trains: `all`, or `head`: attention blocks and the last layer, the backbone frozen.
    """

    input_size: int
    epochs: int
    learning_rate: float
    final_learning_rate: float
    ema_momentum: float = 0.0
    schedule: str = "cosine"
    warm_up: float = 0.5
    plateau_factor: float = 5.0
    plateau_patience: int = 3
    trains: str = "all"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run but the data and the seed.

    Attributes:
        name: what `skinedge train` calls it.
        source: where it comes from, for people.
        task: a row of `train.tasks.TASKS`: the classes, and how a dataset's labels become them.
        spec: the network; its input size is the last stage's.
        stages: in order; each continues from the best epoch of the one before.
        images_per_epoch: draws, with replacement; 0 is as many as there are images.
        batch_size: images per step.
        sampling_power: a class is drawn with probability proportional to (lesions) ** power, or
            (images) ** power where the set keeps patients together.
        sharp_share: probability that a lesion with a sharp copy shows it.
        loss: what is minimised.
        optimizer: `adamw`, or `adam`.
        weight_decay: of either; AdamW's is decoupled.
        epsilon: Adam's and AdamW's.
        patience: epochs without a better validation score before a stage stops.
        augmentation: how views vary.
        mixing: whether views are mixed with each other.
        test_views: views of each image averaged in the evaluation of a run: 1, or 8 flips and
            turns. A deployed file always sees one.
        folds: of cross-validation that the authors used; 1 is a hold-out split.
        published: what its authors report.
    """

    name: str
    source: str
    spec: ModelSpec
    stages: tuple[Stage, ...]
    images_per_epoch: int
    batch_size: int
    sampling_power: float
    sharp_share: float
    loss: Loss
    patience: int
    task: str = "ham10000"
    optimizer: str = "adamw"
    weight_decay: float = 0.0
    epsilon: float = 1e-7
    augmentation: Augmentation = field(default_factory=Augmentation)
    mixing: Mixing = field(default_factory=Mixing)
    test_views: int = 1
    folds: int = 1
    published: Published | None = None

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Recipe:
        """The recipe that `dataclasses.asdict` made a run's description of; words left out."""
        spec = plain["spec"]
        attention = tuple(Placed(p["block"], tuple(p["after"])) for p in spec["attention"])
        parts = {
            "spec": ModelSpec(
                **{**spec, "attention": attention, "classes": tuple(spec["classes"])}
            ),
            "stages": tuple(Stage(**stage) for stage in plain["stages"]),
            "loss": Loss(**plain["loss"]),
            "augmentation": Augmentation(**plain["augmentation"]),
            "mixing": Mixing(**plain["mixing"]),
            "published": None,
        }
        return cls(**{**plain, **parts})

    def spec_at(self, stage: Stage) -> ModelSpec:
        """The network as this stage sees it."""
        return replace(self.spec, input_size=stage.input_size)

    def digest(self) -> str:
        """sha256 over all that decides the training, as sorted JSON; words for people left out."""
        decides = {key: value for key, value in asdict(self).items() if key not in NOT_DIGESTED}
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


NOT_DIGESTED = ("name", "source", "published", "test_views", "folds")
