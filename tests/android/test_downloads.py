"""What is built with is what was pinned, or the build stops and says so."""

from __future__ import annotations

import hashlib
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from buildtools import lock
from buildtools.downloads import Download, check_versions, fetch, read_lock, write_lock
from buildtools.process import BuildError
from buildtools.project import Versions, read_versions
from buildtools.tools import unpack

CONTENT = b"a tool"
TOOL = Download("tool", "maven", "org.tool:tool", "1.0", hashlib.sha256(CONTENT).hexdigest())


class Registry:
    """Hands out one content for every download, and counts how often it was asked."""

    def __init__(self, content: bytes) -> None:
        self.content, self.asked = content, 0

    def __call__(self, downloads: list[Download], cache: Path) -> None:
        self.asked += 1
        for download in downloads:
            download.path(cache).parent.mkdir(parents=True, exist_ok=True)
            download.path(cache).write_bytes(self.content)


def test_a_file_is_fetched_once(tmp_path: Path) -> None:
    registry = Registry(CONTENT)
    for _ in range(2):
        assert fetch([TOOL], tmp_path, registry)["tool"].read_bytes() == CONTENT
    assert registry.asked == 1


def test_a_broken_file_is_fetched_again(tmp_path: Path) -> None:
    Registry(CONTENT[:3])([TOOL], tmp_path)
    assert fetch([TOOL], tmp_path, Registry(CONTENT))["tool"].read_bytes() == CONTENT


def test_another_file_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"org.tool:tool 1.0 has SHA-256 .* pins"):
        fetch([TOOL], tmp_path, Registry(b"something else"))


def test_the_lock_follows_the_catalogue() -> None:
    downloads = read_lock()
    check_versions(downloads, read_versions())
    assert all(re.fullmatch("[0-9a-f]{64}", download.sha256) for download in downloads)
    assert len({download.name for download in downloads}) == len(downloads)


def test_a_catalogue_that_moved_on_is_refused() -> None:
    moved = Versions({**read_versions().of, "kotlin": "9.9.9"})
    with pytest.raises(BuildError, match=r"kotlin = 9.9.9: run build_apk.sh lock"):
        check_versions(read_lock(), moved)


def test_a_new_library_is_asked_for() -> None:
    grown = Versions(read_versions().of, (("org.new:library", "kotlin"),))
    with pytest.raises(BuildError, match=r"has org.new:library, version kotlin"):
        check_versions(read_lock(), grown)


def test_a_new_lock_has_the_catalogues_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(CONTENT)
    monkeypatch.setattr(lock, "get_from_registries", registry)
    path = tmp_path / "lock.json"
    write_lock([replace(TOOL, catalogue="tool")], path)
    assert lock.relock(Versions({"tool": "1.0"}), tmp_path, path) == []
    registry.content = b"a newer tool"
    (changed,) = lock.relock(Versions({"tool": "2.0"}), tmp_path, path)
    assert changed.startswith("org.tool:tool 1.0 -> 2.0, SHA-256 ")
    (relocked,) = read_lock(path)
    assert (relocked.version, relocked.catalogue) == ("2.0", "tool")
    assert relocked.sha256 == hashlib.sha256(b"a newer tool").hexdigest()


def test_an_altered_tool_is_unpacked_again(tmp_path: Path) -> None:
    archive = tmp_path / "tools.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("bin/tool", CONTENT)
    tool = unpack(archive, "bin/tool", tmp_path / "unpacked")
    tool.write_bytes(b"half")
    assert unpack(archive, "bin/tool", tmp_path / "unpacked").read_bytes() == CONTENT
