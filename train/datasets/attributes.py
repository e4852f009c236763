"""What tables know of an image beside its diagnosis, under one name each."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ATTRIBUTES", "attributes_of", "known"]

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "sex": ("sex",),
    "age": ("age", "age_approx", "age_approximate"),
    "site": ("localization", "anatom_site_general_challenge", "anatom_site_general", "site"),
    "clinic": ("clinic", "attribution", "institution"),
}
"""Columns that hold an attribute; the first one with a value counts."""

# -1 is the patient of an image whose patient is unknown, in the 2019 table.
_UNKNOWN = {"", "unknown", "nan", "na", "n/a", "-1"}


def known(text: str) -> bool:
    """Whether a cell says anything."""
    return text.strip().lower() not in _UNKNOWN


def _age(text: str) -> str:
    """`55.0` and `55` are one age; ISIC writes it both ways."""
    try:
        return f"{float(text):g}"
    except ValueError:
        return text


def attributes_of(row: Mapping[str, str]) -> dict[str, str]:
    """The attributes that a table's row, or several rows taken together, has a value for."""
    found = {}
    for name, columns in ATTRIBUTES.items():
        text = next((row[column].strip() for column in columns if known(row.get(column, ""))), "")
        if text:
            found[name] = _age(text) if name == "age" else text
    return found
