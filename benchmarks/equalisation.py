"""Does cross-layer equalisation pay, with one scale a channel for weights and corrected biases?

    python -m skinedge.benchmarks.equalisation runs/edge --data ham10000/

Rows: the equalised network in float32; int8 as converted; int8 with biases corrected
(`compress.bias`). The last layer is refitted in none.

An int8 tensor has one scale for all its channels: those with small values have few steps. Where
nothing but sums and rectifiers stands between the layers that write a channel and those that read
it, it can be scaled up by the one and down by the other (Nagel et al. 2019, arXiv 1906.04721,
section 4.1). With a scale for each output channel of a kernel, what writers lose and gain by that
cancels out; activations gain; a reader's kernel has the inverse scales along its input channels,
which costs it steps unless it is depthwise. `scales ** 0.5` shares gain and cost.

A ReLU6 cuts scaled channels at 6, so none is scaled up further than its largest value on training
images allows, those that biases are corrected by included; in other images it is cut there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from skinedge.benchmarks.command import as_command
from skinedge.benchmarks.int8_forms import command
from skinedge.compress.channels import nodes
from skinedge.compress.convert import float32_tflite
from skinedge.compress.pipeline import quantized
from skinedge.compress.recipe import Compression
from skinedge.train.batches import normalise

__all__ = ["equalised", "forms"]

LARGEST = 16.0  # a channel that hardly ever answers is scaled up no further
BATCH = 16

layers = keras.layers
_RECTIFIES = (layers.ReLU, layers.Activation)
# What a positive factor passes, channel by channel.
_PASSES = (
    layers.Add,
    layers.AveragePooling2D,
    layers.Dropout,
    layers.GlobalAveragePooling2D,
    layers.MaxPooling2D,
    layers.ZeroPadding2D,
)
_TOPS = {"linear": np.inf, "relu": np.inf, "relu6": 6.0}


@dataclass
class _Space:
    """Tensors whose channels have one scale, for which their writers and readers make up.

    Attributes:
        writers, readers: names of layers.
        tensors: those that int8 will have, each with where it is cut.
        held: whether something else writes or reads them.
    """

    writers: list[str] = field(default_factory=list)
    readers: list[str] = field(default_factory=list)
    tensors: list[tuple[Any, float]] = field(default_factory=list)
    held: bool = False


def _top(layer: Any) -> float | None:
    """Where a layer's activation cuts; None if it does more than rectify."""
    if type(layer) is layers.ReLU:
        plain = layer.negative_slope == 0 and layer.threshold == 0
        return (layer.max_value or np.inf) if plain else None
    return _TOPS.get(getattr(getattr(layer, "activation", None), "__name__", "linear"))


def _scalable(layer: Any) -> bool:
    """Whether a layer can make up for a scale of each channel."""
    if isinstance(layer, layers.BatchNormalization):
        return layer.scale and layer.center
    if isinstance(layer, layers.DepthwiseConv2D):
        return layer.depth_multiplier == 1
    return type(layer) in (layers.Conv2D, layers.Dense) and getattr(layer, "groups", 1) == 1


def _spaces(model: Any) -> list[_Space]:
    """Those that nothing holds, from the input on."""
    calls = list(nodes(model))
    times = Counter(id(node.operation) for node in calls)
    read = Counter(id(tensor) for node in calls for tensor in node.input_tensors)
    of: dict[int, _Space] = {}

    def joined(inputs: Sequence[Any]) -> _Space:
        into = of[id(inputs[0])]
        for tensor in inputs[1:]:
            other = of[id(tensor)]
            if other is not into:
                into.writers += other.writers
                into.readers += other.readers
                into.tensors += other.tensors
                into.held |= other.held
                of.update({key: into for key, space in of.items() if space is other})
        return into

    for node in calls:
        layer, inputs, outputs = node.operation, node.input_tensors, node.output_tensors
        top = _top(layer)
        if top is None or times[id(layer)] > 1:
            space = _Space(held=True)
        elif _scalable(layer):
            space = _Space([layer.name])
            if isinstance(layer, layers.BatchNormalization):
                of[id(inputs[0])].held = True
            else:
                of[id(inputs[0])].readers.append(layer.name)
        elif type(layer) in _RECTIFIES:
            space = of[id(inputs[0])]
            if read[id(inputs[0])] == 1:  # the rectifier becomes a part of what writes it
                space.tensors = [pair for pair in space.tensors if pair[0] is not inputs[0]]
        elif isinstance(layer, _PASSES):
            space = joined(inputs)
        else:
            space = _Space(held=True)
        if space.held:
            for tensor in inputs:
                of[id(tensor)].held = True
        for tensor in outputs:
            of[id(tensor)] = space
            space.tensors.append((tensor, np.inf if top is None else top))
    for tensor in model.outputs:
        of[id(tensor)].held = True
    free = {id(space): space for space in of.values() if not space.held and space.readers}
    return list(free.values())


def _scales(space: _Space, ranges: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """By which factor each channel can grow within the ranges that the tensors may have."""
    scales = np.full(len(ranges[0][0]), LARGEST)
    for (_, top), (lows, highs) in zip(space.tensors, ranges, strict=True):
        most = highs.max() if np.isinf(top) else top
        for limit, values in ((lows.min(), lows), (most, highs)):
            room = np.divide(limit, values, out=np.full(len(scales), LARGEST), where=values != 0)
            scales = np.minimum(scales, room)
    return np.maximum(scales, 1)


def _ranges(model: Any, tensors: Sequence[Any], pixels: np.ndarray) -> list[Any]:
    """Of each tensor (least, largest) value by channel."""
    probe = keras.Model(model.inputs, list(tensors))
    found: list[Any] = [(0.0, 0.0)] * len(tensors)
    for start in range(0, len(pixels), BATCH):
        values = probe.predict_on_batch(normalise(pixels[start : start + BATCH]))
        for i, value in enumerate(values):
            rows = value.reshape(-1, value.shape[-1])
            low, high = found[i]
            found[i] = np.minimum(low, rows.min(axis=0)), np.maximum(high, rows.max(axis=0))
    return found


def _written(layer: Any, scales: np.ndarray) -> None:
    """Let a layer's output come out larger."""
    first, *rest = layer.get_weights()
    if isinstance(layer, layers.BatchNormalization):
        beta, *statistics = rest
        layer.set_weights([first * scales, beta * scales, *statistics])
    else:
        along = scales[:, None] if isinstance(layer, layers.DepthwiseConv2D) else scales
        layer.set_weights([first * along, *(bias * scales for bias in rest)])


def _read(layer: Any, scales: np.ndarray) -> None:
    """Let a layer expect its input larger."""
    kernel, *bias = layer.get_weights()
    layer.set_weights([kernel / scales[:, None], *bias])


def equalised(model: Any, pixels: np.ndarray, power: float = 1.0) -> Any:
    """A copy that computes the same on these pixels, channels scaled up to their tensors' ranges.

    Args:
        model: functional, from `zoo.build`; stays as it is.
        pixels: uint8 `[n, H, W, 3]`, of the training split: whose ranges count. In other images
            a ReLU6 cuts what exceeds them.
        power: 1 uses the whole range; 0.5 the root of that factor.
    """
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    spaces = _spaces(copy)
    tensors = [tensor for space in spaces for tensor, _ in space.tensors]
    ranges = iter(_ranges(copy, tensors, pixels))
    for space in spaces:
        scales = _scales(space, [next(ranges) for _ in space.tensors]) ** power
        for name in space.writers:
            _written(copy.get_layer(name), scales)
        for name in space.readers:
            _read(copy.get_layer(name), scales)
    return copy


def forms(model: Any, how: Compression, images: Callable[[int], np.ndarray]) -> dict[str, bytes]:
    """Files of the network as it is and equalised, as converted and with biases corrected.

    Raises:
        CompressionError: the converter refused.
    """
    seen = images(how.representative + how.bias)
    networks = {
        "as trained": model,
        "scales ** 0.5": equalised(model, seen, 0.5),
        "scales": equalised(model, seen),
    }
    files = {"scales, float32": float32_tflite(networks["scales"])}
    for what, bias in (("as converted", 0), ("biases corrected", how.bias)):
        recipe = replace(how, bias=bias, refit=0)
        for name, network in networks.items():
            files[f"{name}, {what}"] = quantized(network, recipe, images)[0]
    return files


if __name__ == "__main__":
    as_command(lambda: command(__doc__, forms))
