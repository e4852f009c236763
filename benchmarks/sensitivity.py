"""Which operator costs how much accuracy and how much attention under int8.

    python -m skinedge.benchmarks.sensitivity runs/edge --data ham10000/

Each operator is left float32 in turn, the rest int8 (see `compress.sensitivity`). Images are of
the training split: 128 calibrate, 64 others are asked. The last line is what `skinedge compress
--float-layers` would take.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from skinedge.benchmarks.command import as_command
from skinedge.compress.pipeline import training_pixels
from skinedge.compress.recipe import parse
from skinedge.compress.sensitivity import choose, markdown, sensitivity
from skinedge.errors import DatasetError
from skinedge.train import runs
from skinedge.train.evaluate import to_json
from skinedge.train.zoo.attention import FLOAT_IN_INT8


def _progress(done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r  {done}/{of}", end="\n" if done == of else "", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="the run folder")
    parser.add_argument("--data", type=Path, required=True, help="its dataset")
    parser.add_argument("--images", type=int, default=64, help="asked of every variant")
    parser.add_argument("--budget", type=int, default=3, help="most operators to leave float")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    run = runs.Run(arguments.run)
    split = runs.split_of(run, runs.data_of(run, arguments.data))
    model, calibrating = runs.load(run), parse("int8").representative
    size = int(model.inputs[0].shape[1])
    load = training_pixels(split.train, run.describe()["seed"], size)
    pixels = load(calibrating + arguments.images)
    if len(pixels) == len(pixels[:calibrating]):
        raise DatasetError(
            f"{split.train.name}: {len(pixels)} training images, all of them calibrate; "
            "none is left to ask about"
        )
    rows = sensitivity(model, pixels[:calibrating], pixels[calibrating:], FLOAT_IN_INT8, _progress)
    chosen = choose(rows, arguments.budget)
    if arguments.json:
        print(to_json({"rows": [asdict(row) for row in rows], "float_layers": chosen}))
        return
    print(markdown(rows))
    print(f"\n--float-layers '{chosen}'" if chosen else "\nno operator pays for being float")


if __name__ == "__main__":
    as_command(main)
