"""What a benchmark is told to do, and what its steps share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from skinedge.model_file import ModelFile
from skinedge.runtime import Network

from .machine import Watch
from .results import Change, Roof, Subject

__all__ = ["Bench", "Model", "Plan", "Progress"]

Progress = Callable[[str, int], Callable[[int], None]]


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        models: `.tflite` files; none: the embedded one.
        data: folders of labelled images, one set; none: what the files say of themselves.
        split: `test`, `validation` or `train` of the set a model was trained on, or `all` of any.
        baseline: a run folder or a recipe, its Keras model in full precision; empty for none.
        threads: of the interpreters.
        runs: timed ones of each model, at most.
        peers: whether to time other runtimes.
        published: whether to time published networks too.
        seed: of pictures, random weights and bootstrap draws.
        command: what was typed.
    """

    models: tuple[Path, ...] = ()
    data: tuple[Path, ...] = ()
    split: str = "test"
    baseline: str = ""
    threads: tuple[int, ...] = (1, 2)
    runs: int = 200
    peers: bool = True
    published: bool = True
    seed: int = 1
    command: str = ""


@dataclass
class Model:
    """A `.tflite` on the bench.

    Attributes:
        name: of its subject.
        file: a card-less one has a network to time, and nothing else to say.
        networks: one for each number of threads.
        images: what to ask it about; None for nothing.
    """

    name: str
    file: ModelFile
    networks: dict[int, Network]
    images: Any = None

    @property
    def content(self) -> bytes:
        return self.file.content


@dataclass
class Bench:
    """What the steps share, and what they have found."""

    plan: Plan
    progress: Progress
    watch: Watch = field(default_factory=Watch)
    gpu: str = ""
    models: list[Model] = field(default_factory=list)
    keras: dict[str, Any] = field(default_factory=dict)
    peers: dict[str, Any] = field(default_factory=dict)
    subjects: dict[str, Subject] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    roofs: list[Roof] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, subject: Subject) -> None:
        self.subjects[subject.name] = subject

    def change(self, name: str, **found: Any) -> None:
        self.subjects[name] = replace(self.subjects[name], **found)

    def first_in_both_precisions(self) -> list[Model]:
        """The first model, and then its float32 form where there is one."""
        first, *others = self.models
        return [first, *(model for model in others if model.name == f"{first.name}-float32")]

    @property
    def most_threads(self) -> int:
        return max(self.plan.threads)
