"""What int8 does to every attention block: the TFLite converter's defaults beside ours.

    python -m skinedge.benchmarks.attention_int8 --data ham10000/
    python -m skinedge.benchmarks.attention_int8 runs/soft runs/cbam --data ham10000/

Without runs: EfficientNet-Lite0 with its ImageNet weights and one block on its last feature map,
7x7 positions at 224 px and 14x14 at 448 px. An untrained gate is the same everywhere and its map
says nothing, so the block and the last layer get seeded random weights whose outputs have unit
spread over these images. Accuracy is not measured, and agreement is that of random answers.

With runs: trained models at their own size. All images are of the training split or, without
runs, of the data folder; those compared are none of those that calibrated. Latency is the ratio
to the float32 file, timed in turn with it at one thread.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from skinedge.benchmarks.command import as_command
from skinedge.compress.fidelity import fidelity
from skinedge.compress.heads import Heads, plan, ready, run_heads
from skinedge.compress.quantize import float32_tflite, int8_tflite, plain_int8_tflite
from skinedge.errors import UsageError
from skinedge.train import runs
from skinedge.train.batches import load_pixels, normalise
from skinedge.train.datasets import LabelledImages, open_dataset
from skinedge.train.evaluate import to_json
from skinedge.train.zoo.attention import ATTENTION, FLOAT_IN_INT8
from skinedge.train.zoo.build import build
from skinedge.train.zoo.spec import ModelSpec, Placed
from skinedge.train.zoo.weights import load_imagenet

__all__ = ["Row", "compare", "drawn", "latency_ratios", "spread", "untrained"]

BACKBONE = "efficientnet-lite0"
GATES = ("_gate", "_excite", "_conv")  # layers whose outputs go through a sigmoid
OPEN = 1.0  # mean of a gate's logits: sigmoid(1) = 0.73


@dataclass(frozen=True)
class Row:
    """One model in one int8 form, against its float32 file.

    Attributes:
        model: block or run.
        size: side of the input, in pixels.
        positions: of the map; 0 without one.
        form: `converter defaults` or `ours`.
        correlation, overlap: of the maps, see `compress.fidelity`; NaN without one.
        agreement: share of images on which both name the same class.
        probability_error: mean absolute difference of probabilities.
        partitions: of the delegate.
        latency: median time as a share of the float32 file's.
        kilobytes: of the flatbuffer.
    """

    model: str
    size: int
    positions: int
    form: str
    correlation: float
    overlap: float
    agreement: float
    probability_error: float
    partitions: int
    latency: float
    kilobytes: int


def _linear(layer: Any, x: Any) -> np.ndarray:
    """What a layer computes before its activation."""
    activation, layer.activation = layer.activation, keras.activations.linear
    try:
        return np.asarray(layer(x))
    finally:
        layer.activation = activation


def _spread_layer(model: Any, layer: Any, images: np.ndarray, rng: np.random.Generator) -> None:
    kernel, *bias = layer.get_weights()
    kernel = rng.normal(size=kernel.shape).astype(np.float32)
    layer.set_weights([kernel, *map(np.zeros_like, bias)])
    # CBAM's shared layers have two inputs; the first speaks for both.
    source = layer._inbound_nodes[0].input_tensors[0]
    y = _linear(layer, keras.Model(model.inputs, source)(images, training=False))
    mean = y.mean(axis=tuple(range(y.ndim - 1)))
    scale = 1 / max(float((y - mean).std()), 1e-6)
    centre = 0.0
    if layer.name.endswith(GATES):
        centre = OPEN / 2 if "_channel_" in layer.name else OPEN  # CBAM adds two of them
    centred = [(centre - mean * scale).astype(np.float32)] if bias else []
    layer.set_weights([kernel * np.float32(scale), *centred])


def spread(model: Any, pixels: np.ndarray, seed: int) -> None:
    """Give attention and last layer random weights with outputs of unit spread, in place.

    Layer by layer in the order of the graph: a normal kernel, scaled so that the outputs have
    standard deviation 1 over positions and images about each channel's mean, and that mean
    removed where there is a bias. Logits of gates get mean `OPEN`; SGE's normalisation the scale
    1. Soft-Attention's gamma keeps what it starts with.

    Args:
        model: from `zoo.build`.
        pixels: uint8 `[n, H, W, 3]`.
        seed: of the kernels.
    """
    rng = np.random.default_rng(seed)
    images = normalise(pixels)
    for layer in model.layers:
        if not layer.name.startswith(("attention", "logits")) or not layer.weights:
            continue
        if layer.name.endswith("_norm"):
            gamma, beta = layer.get_weights()
            layer.set_weights([np.ones_like(gamma), np.full_like(beta, OPEN)])
        elif not layer.name.endswith("_gamma"):
            _spread_layer(model, layer, images, rng)


def untrained(block: str, size: int, pixels: np.ndarray, seed: int) -> Any:
    """`BACKBONE` with ImageNet weights and a block on its last feature map; see `spread`."""
    spec = ModelSpec(BACKBONE, (Placed(block, ("final",)),), size)
    model = build(spec, keras)
    load_imagenet(model, BACKBONE)
    spread(model, pixels, seed)
    return model


def latency_ratios(flatbuffers: list[bytes], size: int, repeats: int) -> list[float]:
    """Median time of each, timed in turn at one thread, as a share of the first one's."""
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    models = [ready(content, pixels) for content in flatbuffers]
    times = np.empty((repeats, len(models)))
    for repeat in range(-3, repeats):
        for index, run in enumerate(models):
            start = time.perf_counter()
            run()
            if repeat >= 0:
                times[repeat, index] = time.perf_counter() - start
    medians = np.median(times, axis=0)
    return [float(median / medians[0]) for median in medians]


def _row(model: str, size: int, form: str, full: Heads, flatbuffer: bytes, pixels: Any) -> Row:
    heads = run_heads(flatbuffer, pixels)
    pair = fidelity(full, heads)
    return Row(
        model,
        size,
        0 if full.attention is None else full.attention.shape[1],
        form,
        pair.attention_correlation,
        pair.attention_overlap,
        pair.agreement,
        float(np.abs(full.probabilities - heads.probabilities).mean()),
        plan(flatbuffer).partitions,
        math.nan,
        len(flatbuffer) // 1000,
    )


def compare(
    name: str, model: Any, calibration: np.ndarray, pixels: np.ndarray, repeats: int = 50
) -> list[Row]:
    """Both int8 forms of a model against its float32 file.

    Args:
        name: for the rows.
        model: from `zoo.build`.
        calibration: uint8 `[n, H, W, 3]`.
        pixels: uint8 `[m, H, W, 3]`, other images.
        repeats: timed runs of each file.
    """
    size = int(model.inputs[0].shape[1])
    full = float32_tflite(model)
    forms = {
        "converter defaults": plain_int8_tflite(model, calibration),
        "ours": int8_tflite(model, calibration, FLOAT_IN_INT8),
    }
    answers = run_heads(full, pixels)
    ratios = latency_ratios([full, *forms.values()], size, repeats)[1:]
    return [
        replace(_row(name, size, form, answers, content, pixels), latency=ratio)
        for (form, content), ratio in zip(forms.items(), ratios, strict=True)
    ]


def markdown(table: list[Row]) -> str:
    """The table for a document."""
    lines = [
        "| model | px | map | int8 | map correlation | top 20 % overlap | same class | "
        "probability error | partitions | time / float32 | kB |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in table:
        side = math.isqrt(row.positions)
        maps = ["–", "–", "–"]
        if side:
            maps = [f"{side}×{side}", f"{row.correlation:.3f}", f"{row.overlap:.2f}"]
        lines.append(
            f"| {row.model} | {row.size} | {maps[0]} | {row.form} | {maps[1]} | {maps[2]} | "
            f"{row.agreement:.3f} | {row.probability_error:.4f} | {row.partitions} | "
            f"{row.latency:.2f} | {row.kilobytes} |"
        )
    return "\n".join(lines)


def drawn(data: LabelledImages, size: int, count: int, seed: int) -> np.ndarray:
    """So many images in an order of the seed: uint8 `[count, size, size, 3]`.

    Raises:
        UsageError: there are not so many.
    """
    order = np.random.default_rng(seed).permutation(len(data.images))
    if len(order) < count:
        raise UsageError(f"{data.name}: has {len(order)} images, {count} are needed")
    return load_pixels([data.images[index] for index in order[:count]], size)


def _models(arguments: argparse.Namespace) -> Iterator[tuple[str, Any, np.ndarray]]:
    """Name, model and images of each, those that calibrate first."""
    count, seed = arguments.calibrate + arguments.images, arguments.seed
    for folder in arguments.runs:
        run = runs.Run(folder)
        train = runs.split_of(run, runs.data_of(run, arguments.data)).train
        model = runs.load(run)
        size = int(model.inputs[0].shape[1])
        yield folder.name, model, drawn(train, size, count, seed)
    if arguments.runs:
        return
    data = open_dataset(arguments.data)
    for size in arguments.size:
        pixels = drawn(data, size, count, seed)
        for block in arguments.blocks:
            yield block, untrained(block, size, pixels[:16], seed), pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="*")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--size", type=int, nargs="+", default=[224, 448])
    parser.add_argument("--blocks", nargs="+", default=list(ATTENTION), choices=list(ATTENTION))
    parser.add_argument("--calibrate", type=int, default=32, help="calibration images")
    parser.add_argument("--images", type=int, default=64, help="images compared")
    parser.add_argument("--repeats", type=int, default=50, help="timed runs of each file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    table: list[Row] = []
    for name, model, pixels in _models(arguments):
        calibration, compared = np.split(pixels, [arguments.calibrate])
        table += compare(name, model, calibration, compared, arguments.repeats)
        keras.backend.clear_session()
    if arguments.json:
        print(to_json([asdict(row) for row in table]))
        return
    if not arguments.runs:
        print(f"{BACKBONE}, ImageNet weights; attention and last layer random, not trained:")
        print("fidelity to the float32 file is measured, accuracy is not.\n")
    print(markdown(table))


if __name__ == "__main__":
    as_command(main)
