"""How many bytes of an APK go where."""

from __future__ import annotations

from pathlib import Path

from .apk_zip import read_layout
from .verify import MODEL_ASSET


def bytes_by_part(apk: Path) -> dict[str, int]:
    """Bytes in the zip; together they are the file. What no entry holds is the zip's own: its
    directory, padding, and the signatures of schemes 2 and 3."""
    parts: dict[str, int] = {}
    for entry in read_layout(apk):
        part = _part(entry.name)
        parts[part] = parts.get(part, 0) + entry.bytes_in_zip
    parts["zip and signing block"] = apk.stat().st_size - sum(parts.values())
    return parts


def _part(name: str) -> str:
    if name == MODEL_ASSET:
        return "model"
    if name.startswith("lib/"):
        return f"native library {name.split('/')[1]}"
    if name.endswith(".dex"):
        return "dex"
    if name.startswith("META-INF/"):
        return "signature v1"
    if name.startswith("assets/"):
        return "other assets"
    return "resources"
