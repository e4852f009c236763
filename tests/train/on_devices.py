"""Run by test_devices.py in processes of their own: `skinedge train` with a recipe for tests.

KERAS_BACKEND=jax python on_devices.py --data HAM10000 --out RUN [--data-parallel ...] [--killed]

With `--killed`, the last option, it dies after its first epoch.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from killed import kill_after
from thin import THIN, thin_backbone

from skinedge.edge_cli.main import run
from skinedge.train.recipes import RECIPES


def main(options: list[str]) -> None:
    stage = replace(THIN.stages[1], learning_rate=1e-4)  # see test_devices.py
    RECIPES["thin"] = replace(THIN, stages=(stage,))
    with thin_backbone(), pytest.MonkeyPatch.context() as patch:
        if options[-1] == "--killed":
            kill_after(1, patch)
            del options[-1]
        sys.argv[1:] = ["train", "thin", "--weights", "none", *options]
        run()


if __name__ == "__main__":
    main(sys.argv[1:])
