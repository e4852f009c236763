"""Backups that a kill cannot tear."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from skinedge.train.backup import Backup, backed_up_epochs, save_weights


@pytest.fixture
def model() -> keras.Model:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    return model


def fit(model: keras.Model, folder: Path, epochs: int) -> list[int]:
    """The epochs that were trained, with a backup after each that stays."""
    x, y = np.ones((8, 3), np.float32), np.ones((8, 2), np.float32)
    backup = Backup(str(folder), delete_checkpoint=False)
    return list(model.fit(x, y, epochs=epochs, verbose=0, callbacks=[backup]).epoch)


def test_there_is_one_backup_with_its_epoch_in_its_name(model: keras.Model, tmp_path: Path) -> None:
    assert backed_up_epochs(tmp_path / "none") == 0
    assert fit(model, tmp_path, 2) == [0, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["epoch2.weights.h5"]
    assert backed_up_epochs(tmp_path) == 2


def test_what_was_cut_short_does_not_count(model: keras.Model, tmp_path: Path) -> None:
    """Killed while it writes the third backup, and before it removes an old one."""
    fit(model, tmp_path, 2)
    weights = [np.asarray(weight) for weight in model.weights]
    newest = tmp_path / "epoch2.weights.h5"
    (tmp_path / "epoch1.weights.h5").write_bytes(b"older")
    (tmp_path / "partial-epoch3.weights.h5").write_bytes(newest.read_bytes()[:99])
    model.set_weights([0 * weight for weight in weights])
    assert fit(model, tmp_path, 2) == []
    assert all(map(np.array_equal, weights, model.weights))
    assert int(model.optimizer.iterations) == 2
    assert fit(model, tmp_path, 11) == list(range(2, 11))
    assert [path.name for path in tmp_path.glob("epoch*")] == ["epoch11.weights.h5"]


def test_weights_that_cannot_be_written_leave_the_old_ones(
    model: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "best.weights.h5"
    save_weights(model, path)
    before = path.read_bytes()

    def full(self: keras.Model, partial: Path, overwrite: bool) -> None:
        partial.write_bytes(b"torn")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras.Model, "save_weights", full)
    with pytest.raises(OSError, match=r"No space left on device: .*best\.weights\.h5"):
        save_weights(model, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
