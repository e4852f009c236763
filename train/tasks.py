"""What a model is asked: its classes, and which diagnosis of a dataset counts as which class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from skinedge.lesion import CODES

from .datasets.images import LabelledImages
from .datasets.isic2019 import WITH_UNKNOWN
from .datasets.labels import (
    KERATOSIS_OR_REST,
    MALIGNANCY,
    MELANOMA_OR_REST,
    TO_ISIC2019,
    relabel,
)

__all__ = ["TASKS", "Task"]


@dataclass(frozen=True)
class Task:
    """A row of the table.

    Attributes:
        classes: label codes, in output order.
        becomes: what each code of a dataset becomes, None leaves its images out; others keep
            theirs.
        question: for people.
        layouts: where a set can be read in two ways, the one this task wants.
    """

    classes: tuple[str, ...]
    becomes: Mapping[str, str | None]
    question: str
    layouts: Mapping[str, str] = field(default_factory=dict)

    def ask(self, data: LabelledImages) -> LabelledImages:
        """The same images, labelled for this task.

        Raises:
            UsageError: the set has a diagnosis that this task has no class for.
            DatasetError: no image is left.
        """
        return relabel(data, self.becomes, self.classes)


TASKS = {
    "ham10000": Task(CODES, {"ak": "akiec", "sk": "bkl"}, "seven diagnoses of HAM10000"),
    "isic2019": Task(WITH_UNKNOWN, TO_ISIC2019, "eight diagnoses of ISIC 2019, and unknown"),
    # What is merely called malignant may be a melanoma: it answers neither question.
    "melanoma": Task(
        ("mel", "rest"), {**MELANOMA_OR_REST, "malignant": None}, "melanoma against the rest"
    ),
    "keratosis": Task(
        ("rest", "sk"), {**KERATOSIS_OR_REST, "bkl": "sk"}, "seborrhoeic keratosis against the rest"
    ),
    # ISIC 2020 has no diagnosis for four in five images, but knows them to be benign.
    "malignancy": Task(
        ("benign", "malignant"),
        MALIGNANCY,
        "malignant against benign",
        {"isic2020": "isic2020-target"},
    ),
}
