"""Files appear whole or not at all, and a full disk says which one did not."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from skinedge.whole_file import appearing, write_whole


@pytest.fixture
def full_at_100_bytes() -> Iterator[None]:
    """The kernel refuses to make any file longer than that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_new_takes_the_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    for content in (b"old", b"new"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("full_at_100_bytes")
def test_a_full_disk_leaves_the_old_and_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    write_whole(path, b"old")
    with pytest.raises(OSError, match="too large") as raised:
        write_whole(path, bytes(1000))
    assert raised.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writers_error_without_a_number_has_one_line(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot write data") as raised, appearing(tmp_path / "a"):
        raise OSError("cannot write data\n(a long story)")
    assert raised.value.filename == str(tmp_path / "a")
    assert raised.value.strerror == "cannot write data"
