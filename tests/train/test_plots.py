"""Plots of a run."""

from __future__ import annotations

from pathlib import Path

from skinedge.train.plots import training_curves

HEADER = "epoch,stage,loss,val_loss,val_balanced_accuracy,val_macro_auroc"
EPOCHS = ("0,0,2,2,0.2,0.5", "1,0,1,2,0.3,0.6", "0,1,1,1,0.4,0.7")


def test_an_epoch_that_a_kill_made_run_again_is_drawn_once(tmp_path: Path) -> None:
    (tmp_path / "once.csv").write_text("\n".join((HEADER, *EPOCHS)))
    (tmp_path / "again.csv").write_text("\n".join((HEADER, *EPOCHS[:2], *EPOCHS[1:])))
    for name in ("once", "again"):
        training_curves(tmp_path / f"{name}.csv", tmp_path / f"{name}.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "once.png").read_bytes()
