"""Make one labelled set of another: map diagnoses, keep a part.

A map says what each code becomes, None to leave its images out. A code it does not name stays
as it is, so nothing is ever dropped that was not named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from skinedge.errors import DatasetError, UsageError
from skinedge.lesion import ALL

from .images import LabelledImages

__all__ = [
    "KERATOSIS_OR_REST",
    "MALIGNANCY",
    "MELANOMA_OR_REST",
    "TO_ISIC2019",
    "relabel",
    "where",
]

MELANOMA_OR_REST: Mapping[str, str | None] = {
    code: "rest" for code in ALL if code not in ("mel", "rest")
}
"""To the classes ("mel", "rest"); the first question of ISIC 2017."""

KERATOSIS_OR_REST: Mapping[str, str | None] = {
    code: "rest" for code in ALL if code not in ("sk", "rest")
}
"""To the classes ("sk", "rest"); the second question of ISIC 2017."""

MALIGNANCY: Mapping[str, str | None] = {
    code: None if code in ("unk", "rest") else "malignant" if lesion.malignant else "benign"
    for code, lesion in ALL.items()
}
"""To the classes ("benign", "malignant"); what is unknown is left out."""

TO_ISIC2019: Mapping[str, str | None] = {"akiec": "ak", "sk": "bkl"}
"""To the classes of ISIC 2019. Roughly: `akiec` is actinic keratosis and Bowen's disease, and of
HAM10000's 327 images of it ISIC 2019 itself calls 130 `ak` and 197 `scc`."""


def relabel(
    data: LabelledImages, mapping: Mapping[str, str | None], classes: tuple[str, ...]
) -> LabelledImages:
    """The same images in other classes.

    Args:
        data: any set.
        mapping: code -> code of `classes`, or None to leave its images out; others keep theirs.
        classes: of the result, in label order.

    Raises:
        UsageError: an image would get a code that is not in `classes`.
        DatasetError: no image is left.
    """
    becomes = [mapping.get(code, code) for code in data.classes]
    for label in sorted({image.label for image in data.images}):
        code = becomes[label]
        if code is not None and code not in classes:
            raise UsageError(
                f"{data.name}: {data.classes[label]} becomes {code}, which is none of "
                f"{', '.join(classes)}; leave these images out, or train with another --task"
            )
    images = tuple(
        replace(image, label=classes.index(code))
        for image in data.images
        if (code := becomes[image.label]) is not None
    )
    if not images:
        raise DatasetError(f"{data.name}: the label map leaves no image")
    return replace(data, classes=classes, images=images)


def where(data: LabelledImages, attribute: str, value: str) -> LabelledImages:
    """The images whose attribute has this value: one clinic's, one sex's.

    Raises:
        DatasetError: there are none.
    """
    images = [image for image in data.images if image.attributes.get(attribute) == value]
    if not images:
        values = Counter(i.attributes[attribute] for i in data.images if attribute in i.attributes)
        there = ", ".join(name for name, _ in values.most_common(10)) or "none"
        raise DatasetError(
            f"{data.name}: no image has {attribute} {value!r}; its values are: {there}"
        )
    return data.having(images)
