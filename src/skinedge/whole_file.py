"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["appearing", "write_whole"]


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """The path to write to instead; it takes `path`'s place once the block has ended well.

    It has the same suffix, which some writers go by. Whatever goes wrong, it is gone.

    Raises:
        OSError: the disk is full, say; names `path`, which is as it was.
    """
    partial = path.with_name(f"partial-{path.name}")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        # A full disk names no file, and HDF5 gives no number either.
        reason = error.strerror or str(error).splitlines()[0]
        raise OSError(error.errno or errno.EIO, reason, str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OSError: see `appearing`.
    """
    with appearing(path) as partial:
        partial.write_bytes(content)
