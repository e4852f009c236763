"""Write downloads.json anew: the versions that Gradle's catalogue names, the hashes of the files.

    android_demo/build_apk.sh lock

Run it when a version changes, and only then: it trusts what the registries send at that moment.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .downloads import LOCK, Download, get_from_registries, intact, read_lock, sha256, write_lock
from .project import Versions


def relock(versions: Versions, cache: Path, lock: Path = LOCK) -> list[str]:
    """Rewrites the lock; returns one line for each entry that changed."""
    old = read_lock(lock)
    new = [_at_version(download, versions) for download in old]
    unknown = [b for a, b in zip(old, new, strict=True) if a != b or not intact(a, cache)]
    for download in unknown:
        download.path(cache).unlink(missing_ok=True)
    if unknown:
        get_from_registries(unknown, cache)
    new = [replace(download, sha256=sha256(download.path(cache))) for download in new]
    write_lock(new, lock)
    return [
        f"{b.id} {a.version} -> {b.version}, SHA-256 {b.sha256}"
        for a, b in zip(old, new, strict=True)
        if a != b
    ]


def _at_version(download: Download, versions: Versions) -> Download:
    if not download.catalogue:
        return download
    return replace(download, version=versions[download.catalogue])
