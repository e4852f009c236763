"""A training recipe is plain data: a spec, a schedule, how images are drawn and varied."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace

from ..augment import Augmentation
from ..zoo.spec import ModelSpec

__all__ = ["Recipe", "Stage"]


@dataclass(frozen=True)
class Stage:
    """A stretch of training at one input size, with its own warm-up and cosine.

    Attributes:
        input_size: side of the square input, pixels.
        epochs: at most so many.
        learning_rate: AdamW's peak, after half an epoch of warm-up.
        final_learning_rate: where the cosine ends.
        ema_momentum: of an exponential moving average of the weights, which is then what is
            validated and kept; 0 keeps the weights themselves.
    """

    input_size: int
    epochs: int
    learning_rate: float
    final_learning_rate: float
    ema_momentum: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run but the data and the seed.

    Attributes:
        name: what `skinedge train` calls it.
        source: where it comes from, for people.
        spec: the network; its input size is the last stage's.
        stages: in order; each continues from the best epoch of the one before.
        images_per_epoch: draws, with replacement.
        batch_size: images per step.
        sampling_power: a class is drawn with probability proportional to (lesions) ** power.
        sharp_share: probability that a lesion with a sharp copy shows it.
        label_smoothing: 0 to 1.
        weight_decay: AdamW's.
        patience: epochs without a better validation score before a stage stops.
        augmentation: how views vary.
    """

    name: str
    source: str
    spec: ModelSpec
    stages: tuple[Stage, ...]
    images_per_epoch: int
    batch_size: int
    sampling_power: float
    sharp_share: float
    label_smoothing: float
    weight_decay: float
    patience: int
    augmentation: Augmentation

    def spec_at(self, stage: Stage) -> ModelSpec:
        """The network as this stage sees it."""
        return replace(self.spec, input_size=stage.input_size)

    def digest(self) -> str:
        """sha256 of the recipe as sorted JSON."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
