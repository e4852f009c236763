"""A training that dies between two epochs."""

from __future__ import annotations

import keras
import pytest

__all__ = ["Killed", "kill_after"]


class Killed(BaseException):
    """Stands in for SIGKILL: no handler in the training code catches it."""


def kill_after(epoch_ends: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right after so many epochs, of whatever stage, have been backed up."""
    seen = 0
    ends = keras.callbacks.BackupAndRestore.on_epoch_end

    def on_epoch_end(self: object, epoch: int, logs: dict[str, float] | None = None) -> None:
        nonlocal seen
        ends(self, epoch, logs)
        seen += 1
        if seen == epoch_ends:
            raise Killed

    monkeypatch.setattr(keras.callbacks.BackupAndRestore, "on_epoch_end", on_epoch_end)
