"""What does each strength of the class prior give? The curve that `train/calibrate.py` chooses on.

    python -m skinedge.benchmarks.class_prior runs/edge --data ham10000/

For strengths from 0 to 1: balanced accuracy, macro and melanoma AUROC of the float32 model on the
validation split, which chooses, and on the test split, which must not.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
from scipy.special import softmax

from skinedge.benchmarks.command import as_command
from skinedge.benchmarks.prior_free import METRICS, equal_prior_logits, melanoma_of
from skinedge.train import runs
from skinedge.train.calibrate import STRENGTHS
from skinedge.train.metrics import auroc, balanced_accuracy, macro_auroc

__all__ = ["curve"]


def curve(
    labels: np.ndarray, logits: np.ndarray, prior: np.ndarray, melanoma: int | None
) -> dict[float, dict[str, float]]:
    """Strength -> `METRICS`, of equal-prior logits `[n, classes]`."""
    found = {}
    for strength in STRENGTHS:
        answers = softmax(logits + strength * np.log(prior), axis=1)
        area = math.nan if melanoma is None else auroc(labels == melanoma, answers[:, melanoma])
        values = (balanced_accuracy(labels, answers), macro_auroc(labels, answers), area)
        found[strength] = dict(zip(METRICS, values, strict=True))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    run = runs.Run(arguments.run)
    split, model = runs.split_of(run, runs.data_of(run, arguments.data)), runs.load(run)
    calibration = run.describe()["calibration"]
    prior = np.array(calibration["prior"])
    curves = {}
    for name in ("validation", "test"):
        part = split.parts()[name]
        logits = runs.outputs_on(model, part, model.inputs[0].shape[1])[0]
        found = curve(part.labels(), equal_prior_logits(logits, run), prior, melanoma_of(part))
        curves[name] = found
    if arguments.json:
        print(json.dumps({"chosen": calibration["prior_strength"], **curves}))
        return
    print(f"chosen on validation: {calibration['prior_strength']}")
    for name, found in curves.items():
        for strength, values in found.items():
            shown = ", ".join(f"{key.replace('_', ' ')} {v:.4f}" for key, v in values.items())
            print(f"{name:10} {strength:4.2f}  {shown}")


if __name__ == "__main__":
    as_command(main)
