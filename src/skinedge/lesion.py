"""Diagnoses of the public dermoscopy sets: one table, used everywhere.

First the seven of HAM10000 / ISIC 2018 Task 3, in class order: alphabetical by code, the order of
every label file and probability vector. Akiec (actinic keratoses, intraepithelial carcinoma) is
counted as malignant, as the dataset paper does for "malignant and pre-malignant" (Tschandl et al.
2018, table 1). Then what other sets name.

>>> LESIONS[4].code, LESIONS[4].malignant
('mel', True)
>>> lesion("scc").name
'squamous cell carcinoma'
"""

from __future__ import annotations

from dataclasses import dataclass

from skinedge.errors import UsageError

__all__ = ["ALL", "CODES", "LESIONS", "Lesion", "lesion"]


@dataclass(frozen=True)
class Lesion:
    """One diagnosis: its dataset code, its name for people, and whether it counts as malignant."""

    code: str
    name: str
    malignant: bool


LESIONS: tuple[Lesion, ...] = (
    Lesion("akiec", "actinic keratosis / intraepithelial carcinoma", True),
    Lesion("bcc", "basal cell carcinoma", True),
    Lesion("bkl", "benign keratosis", False),
    Lesion("df", "dermatofibroma", False),
    Lesion("mel", "melanoma", True),
    Lesion("nv", "melanocytic naevus", False),
    Lesion("vasc", "vascular lesion", False),
)

CODES: tuple[str, ...] = tuple(lesion.code for lesion in LESIONS)

_FURTHER = (
    # Pre-malignant, as akiec is; ISIC's own benign_malignant column calls it benign.
    Lesion("ak", "actinic keratosis", True),
    Lesion("benign", "benign lesion", False),
    Lesion("malignant", "malignant lesion", True),
    Lesion("rest", "any other diagnosis", False),
    Lesion("scc", "squamous cell carcinoma", True),
    Lesion("sk", "seborrhoeic keratosis", False),
    # Neither is known; an alarm for malignancy needs a finding, so it does not raise one.
    Lesion("unk", "unknown diagnosis", False),
)

ALL: dict[str, Lesion] = {lesion.code: lesion for lesion in (*LESIONS, *_FURTHER)}
"""Every diagnosis by its code."""


def lesion(code: str) -> Lesion:
    """The diagnosis with this code.

    Raises:
        UsageError: no diagnosis has it.
    """
    if code not in ALL:
        raise UsageError(f"unknown diagnosis {code!r}; there are: {', '.join(sorted(ALL))}")
    return ALL[code]
