"""Checkpoints of every epoch, from which a run killed at any moment resumes as if it never was."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import keras

from skinedge.whole_file import appearing

__all__ = ["Backup", "backed_up_epochs", "save_weights"]


def save_weights(model: Any, path: Path) -> None:
    """Write a model's weights, and what its optimizer has, whole or not at all.

    Args:
        model: of Keras.
        path: ends in `.weights.h5`.

    Raises:
        OSError: see `whole_file.appearing`.
    """
    with appearing(path) as partial:
        model.save_weights(partial, overwrite=True)


def _newest(folder: Path) -> tuple[int, Path | None]:
    """After how many epochs the newest backup was written, and the file."""
    files = {
        int(found[1]): path
        for path in folder.glob("epoch*.weights.h5")
        if (found := re.fullmatch(r"epoch(\d+)\.weights\.h5", path.name))
    }
    return max(files.items(), default=(0, None))


def backed_up_epochs(folder: Path) -> int:
    """How many epochs a `Backup` has in `folder`; 0 where it has none.

    An epoch that was logged but not backed up before a kill is trained again.
    """
    return _newest(folder)[0]


class Backup(keras.callbacks.BackupAndRestore):
    """Keras' own, with the epoch in the name of the weights' file, which appears whole.

    Keras writes weights over the last ones, and the epoch into a file beside them: killed in
    between, a run would train an epoch twice; killed while it writes, it could not go on.
    """

    def _save_model(self) -> None:
        folder = Path(self.backup_dir)
        folder.mkdir(parents=True, exist_ok=True)
        newest = folder / f"epoch{self._current_epoch}.weights.h5"
        save_weights(self.model, newest)
        for old in folder.glob("epoch*.weights.h5"):
            if old != newest:
                old.unlink()

    def _load_model(self) -> None:
        epochs, file = _newest(Path(self.backup_dir))
        if file is not None:
            self._weights_path = str(file)
            super()._load_model()
            self.model._initial_epoch = epochs
