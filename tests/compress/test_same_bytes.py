"""The same run, data, recipe and seed give the same bytes, fine-tuning included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from thin import RANDOM, THIN, thin_backbone

from skinedge.compress.pipeline import compress
from skinedge.compress.recipe import Limits, parse
from skinedge.train import fit
from skinedge.train.datasets import open_dataset, split_by_lesion


@pytest.mark.parametrize("name", ["prune50-int8", "qat-int8"])
def test_fine_tuning_is_repeated_to_the_byte(name: str, ham10000: Path, tmp_path: Path) -> None:
    data = open_dataset(ham10000)
    how = replace(parse(name).with_epochs(1), representative=16, limits=Limits(partitions=None))
    with thin_backbone():
        run = fit.train(THIN, split_by_lesion(data, seed=1), tmp_path / "run", 1, options=RANDOM)
        # Another folder: nothing is taken up from the first.
        files = [compress(run, data, tmp_path / out, how).file for out in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes()
