"""The seven diagnoses of HAM10000 / ISIC 2018 Task 3: one table, used everywhere.

Class order is alphabetical by code, the order of every label file and probability vector.
Akiec (actinic keratoses, intraepithelial carcinoma) is counted as malignant, as the
dataset paper does for "malignant and pre-malignant" (Tschandl et al. 2018, table 1).

>>> LESIONS[4].code, LESIONS[4].malignant
('mel', True)
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CODES", "LESIONS", "Lesion"]


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
