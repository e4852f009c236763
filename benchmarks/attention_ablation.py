"""Does the classifier use its attention map? Take the map away and see what is lost.

    python -m skinedge.benchmarks.attention_ablation runs/edge --data ham10000/ \\
        --without runs/none

On the test split, with the full-precision model:
- as trained;
- every map replaced by its own mean over positions (uniform attention);
- every map replaced by that of another image, which keeps the maps' statistics;
- a model trained without the block, by the same recipe, seed and split (`--without`).
Each run chose its own class prior on its validation split, which moves balanced accuracy against
AUROC. So that only attention differs here, the prior is taken out again: balanced accuracy is
that of equal priors, AUROC that of the natural ones. Differences to "as trained" come with 95 %
bootstrap intervals over test lesions, paired.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from skinedge.benchmarks.command import as_command
from skinedge.benchmarks.prior_free import (
    METRICS,
    drawn_metrics,
    equal_prior_logits,
    melanoma_of,
    metrics,
    require_alike,
)
from skinedge.errors import RunError
from skinedge.train import runs
from skinedge.train.batches import lesion_prior, load_pixels, normalise
from skinedge.train.datasets import Split

__all__ = ["ablate", "with_maps"]

AFTER_THE_MAP = ("attention_grid", "attention_scale", "attention_gamma")


def with_maps(model: Any) -> tuple[Any, Any]:
    """Cut a Soft-Attention model in two at its map.

    Returns:
        (pixels -> [features, map], [features, map] -> logits); chained they are the model.
    """
    features = model.get_layer("attention_heads").input
    before = keras.Model(model.inputs, [features, model.outputs[1]])
    x = keras.Input(features.shape[1:])
    attention = keras.Input(model.outputs[1].shape[1:])
    weights = attention
    for name in AFTER_THE_MAP:
        weights = model.get_layer(name)(weights)
    y = model.get_layer("attention_apply")([x, weights])
    y = model.get_layer("attention_concat")([x, y])
    for name in ("head_conv", "head_bn", "head_relu", "pool", "dropout", "logits"):
        y = model.get_layer(name)(y)
    return before, keras.Model([x, attention], y)


def _equal_prior_logits(model: Any, inputs: Any, run: runs.Run) -> np.ndarray:
    outputs = model.predict(inputs, verbose=0)
    return equal_prior_logits(outputs[0] if isinstance(outputs, list) else outputs, run)


def ablate(
    run: runs.Run, split: Split, without: runs.Run | None, seed: int = 0
) -> dict[str, np.ndarray]:
    """Equal-prior logits of each variant on the test split: name -> float64 `[n, classes]`.

    Raises:
        RunError: the run has no Soft-Attention, or has not finished.
    """
    model = runs.load(run)
    if not {"attention_heads", "head_conv"} <= {layer.name for layer in model.layers}:
        raise RunError(
            f"{run.folder}: is no EfficientNet-Lite with Soft-Attention on its last feature map"
        )
    before, after = with_maps(model)
    pixels = normalise(load_pixels(split.test.images, model.inputs[0].shape[1]))
    features, maps = before.predict(pixels, verbose=0)
    uniform = np.full_like(maps, 1 / maps.shape[1])
    order = np.random.default_rng(seed).permutation(len(maps))
    others = np.empty_like(order)
    others[order] = np.roll(order, 1)  # a cycle: no image keeps its own map
    variants = {
        "as trained": maps,
        "map replaced by its mean": uniform,
        "map of another image": maps[others],
    }
    logits = {
        name: _equal_prior_logits(after, [features, variant], run)
        for name, variant in variants.items()
    }
    if without:
        other = runs.load(without)
        logits["trained without the block"] = _equal_prior_logits(other, pixels, without)
    return logits


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--without", type=Path, help="a run of the same recipe, --attention none")
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap draws")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    run = runs.Run(arguments.run)
    data = runs.data_of(run, arguments.data)
    split = runs.split_of(run, data)
    without = runs.Run(arguments.without) if arguments.without else None
    if without:
        require_alike([run, without], seed=True)
    variants = ablate(run, split, without)
    labels, log_prior = split.test.labels(), np.log(lesion_prior(split.train))
    melanoma = melanoma_of(split.test)
    full = variants["as trained"]
    draws_of_full = drawn_metrics(labels, full, log_prior, melanoma, arguments.draws)
    rows = {}
    for name, logits in variants.items():
        drawn = drawn_metrics(labels, logits, log_prior, melanoma, arguments.draws)
        low, high = np.percentile(drawn - draws_of_full, (2.5, 97.5), axis=0)
        values = metrics(labels, logits, log_prior, melanoma)
        rows[name] = {
            key: {"value": float(v), "difference_interval": [float(a), float(b)]}
            for key, v, a, b in zip(METRICS, values, low, high, strict=True)
        }
        rows[name]["same_class"] = float((logits.argmax(1) == full.argmax(1)).mean())
    if arguments.json:
        print(json.dumps(rows))
        return
    print(f"test split, {len(labels)} lesions; [95 % interval of the difference to as trained]")
    for name, row in rows.items():
        print(f"{name}: same class as trained on {row.pop('same_class'):.1%}")
        for key, figure in row.items():
            low, high = figure["difference_interval"]
            print(f"  {key.replace('_', ' '):18} {figure['value']:.4f} [{low:+.4f}, {high:+.4f}]")


if __name__ == "__main__":
    as_command(main)
