"""Model file, int8 or float32 -> its Keras model, its run folder: to measure, compress or train.

A file holds its network to within the rounding of its weights. Batch normalisation is folded into
the convolutions there; to train on, it needs statistics again, and training images give them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from skinedge.errors import CompressionError, RunError
from skinedge.model_file import ModelFile, parse_model
from skinedge.train.batches import normalise
from skinedge.train.datasets.splits import write_split
from skinedge.train.partition import Partition
from skinedge.train.recipes.recipe import Recipe
from skinedge.train.runs import Run, save
from skinedge.train.zoo.build import build

from .activations import replace_activations
from .channels import keep_channels
from .convert import float32_tflite
from .metadata import package
from .pipeline import training_pixels
from .recipe import SWISH

__all__ = ["float32_form", "restore", "restored"]

STATISTICS_IMAGES = 384
_BATCH = 32
# Of each operator with weights: the order of the axes that takes its kernel to Keras' order.
_TO_KERAS = {"CONV_2D": (1, 2, 3, 0), "DEPTHWISE_CONV_2D": (1, 2, 3, 0), "FULLY_CONNECTED": (1, 0)}


def _float(model: Any, tensor: Any) -> np.ndarray:
    """The numbers of a constant, dequantized."""
    dtypes = {
        schema.TensorType.INT8: np.int8,
        schema.TensorType.INT32: np.int32,
        schema.TensorType.FLOAT32: np.float32,
    }
    data = model.buffers[tensor.buffer].data
    if tensor.type not in dtypes or data is None:
        raise CompressionError("cannot restore it: its weights are not int8 or float32")
    shape = [int(side) for side in tensor.shape]
    values = np.frombuffer(bytes(data), dtypes[tensor.type]).reshape(shape).astype(np.float64)
    if tensor.type == schema.TensorType.FLOAT32:
        return values
    scale = np.asarray(tensor.quantization.scale, np.float64)
    axis = [1] * len(shape)
    axis[tensor.quantization.quantizedDimension] = -1
    return np.asarray(values * scale.reshape(axis))


def _named(names: Sequence[str], layers: Iterable[str]) -> list[str]:
    """Which of `layers` each tensor's name is of, empty where of none or one cannot tell.

    The converter numbers what it has seen before: `net/stem_conv_1/convolution` is `stem_conv`'s.
    Where that is a layer's name too (`conv_1`), it is the one that no other tensor is surely of.
    """
    known = set(layers)
    parts = [re.split("[/;]", name) for name in names]
    found = [{y for x in words for y in (x, re.sub(r"_\d+$", "", x))} & known for words in parts]
    while True:
        sure = set().union(*(some for some in found if len(some) == 1))
        left = [some - sure if len(some) > 1 else some for some in found]
        if left == found:
            return [some.pop() if len(some) == 1 else "" for some in found]
        found = left


def _weights(content: bytes, layers: dict[str, Any]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Kernel, in Keras' order of axes, and bias of each layer that the file names.

    A layer that is called twice has a bias in the file for each call, corrected by itself: their
    mean is returned.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph, codes = model.subgraphs[0], [code.builtinCode for code in model.operatorCodes]
    orders = {getattr(schema.BuiltinOperator, kind): axes for kind, axes in _TO_KERAS.items()}
    operators = [one for one in graph.operators if codes[one.opcodeIndex] in orders]
    outputs = [graph.tensors[operator.outputs[0]].name.decode() for operator in operators]
    kernels: dict[str, np.ndarray] = {}
    biases: dict[str, list[np.ndarray]] = {}
    for operator, name in zip(operators, _named(outputs, layers), strict=True):
        if not name:
            continue
        layer = layers[name]
        kernel, *bias = (_float(model, graph.tensors[i]) for i in operator.inputs[1:] if i >= 0)
        kernel = kernel.transpose(orders[codes[operator.opcodeIndex]])
        wanted = tuple(layer.kernel.shape)
        if kernel.size != np.prod(wanted):
            raise CompressionError(
                f"cannot restore it: {layer.name} is of another shape than its card says"
            )
        zero = np.zeros(layer.output.shape[-1])
        kernels[name] = kernel.reshape(wanted)
        biases.setdefault(name, []).append(bias[0] if bias else zero)
    return {name: (kernel, np.mean(biases[name], axis=0)) for name, kernel in kernels.items()}


def _normalisers(model: Any) -> dict[str, Any]:
    """Batch normalisations by the name of the layer each one follows."""
    return {
        layer.input._keras_history.operation.name: layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }


def _constant_behind(layer: Any) -> float:
    """What the graph adds to all a layer gives (hard sigmoid: 3): a file has it in the bias."""
    (node, *more) = layer._outbound_nodes or [None]
    if node is None or more or type(node.operation).__name__ != "Add":
        return 0.0
    return sum(value for value in node.arguments.args if isinstance(value, int | float))


def _changes(card: dict[str, Any]) -> dict[str, Any]:
    """What compression did that made another network: swish exchanged, channels removed."""
    did = card.get("compression", {}).get("did", {})
    return {
        name: step
        for name, step in did.items()
        if step.get("by") in SWISH or "channels" in step.get("after", {})
    }


def _network(card: dict[str, Any]) -> Any:
    """The Keras network that a card describes; random weights."""
    spec = replace(Recipe.of(card["recipe"]).spec, input_size=card["input"]["height"])
    model = build(spec, keras)
    left: dict[str, int] = {}
    for step in _changes(card).values():
        if by := step.get("by"):
            model = replace_activations(keras, model, by)
        for name, channels in step.get("after", {}).get("channels", {}).items():
            left[name] = min(channels, left.get(name, channels))
    # Which of the channels were kept, their weights say.
    return keep_channels(model, {n: np.arange(k) for n, k in left.items()}) if left else model


def restored(file: ModelFile) -> Any:
    """The Keras model of a file: logits and, with attention, the map.

    Inference alone: every batch normalisation is the identity with the convolution's bias.

    Args:
        file: a SkinEdge file; its network is its recipe's, but for channels removed and swish
            exchanged.

    Raises:
        CompressionError: it is not, or its weights are neither int8 nor float32.
    """
    if file.card is None:
        raise CompressionError(f"{file.path}: cannot restore it: not a SkinEdge file")
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
    try:
        model = _network(file.card)
        layers = {layer.name: layer for layer in model.layers if isinstance(layer, kinds)}
        weights = _weights(file.content[: file.card["flatbuffer_bytes"]], layers)
    except CompressionError as error:
        raise CompressionError(f"{file.path}: {error}") from None
    normalisers = _normalisers(model)
    for name, (kernel, bias) in weights.items():
        bias = bias - _constant_behind(layers[name])
        layers[name].set_weights([kernel, bias][: len(layers[name].get_weights())])
        if follows := normalisers.get(name):
            one = np.ones(len(bias))
            follows.set_weights([one, bias, 0 * one, one - follows.epsilon])
    filled = {*weights, *(normalisers[name].name for name in weights if name in normalisers)}
    if lacking := [x.name for x in model.layers if x.weights and x.name not in filled]:
        raise CompressionError(f"{file.path}: cannot restore it: no weights for {lacking[0]}")
    return model


def _set_statistics(model: Any, images: np.ndarray) -> None:
    """Give each batch normalisation the statistics of these images; answers stay as they are."""
    normalisers = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    inner = keras.Model(model.inputs, [layer.input for layer in normalisers])
    sums = [np.zeros((2, layer.gamma.shape[0])) for layer in normalisers]
    counts = np.zeros(len(normalisers))
    for start in range(0, len(images), _BATCH):
        values = inner.predict_on_batch(normalise(images[start : start + _BATCH]))
        for k, value in enumerate(values):
            rows = np.asarray(value, np.float64).reshape(-1, value.shape[-1])
            sums[k] += rows.sum(axis=0), (rows**2).sum(axis=0)
            counts[k] += len(rows)
    for layer, (total, squares), count in zip(normalisers, sums, counts, strict=True):
        mean = total / count
        variance = np.maximum(squares / count - mean**2, 0.0)
        _, bias, *_ = layer.get_weights()
        layer.set_weights([np.sqrt(variance + layer.epsilon), bias + mean, mean, variance])


def float32_form(file: ModelFile) -> ModelFile:
    """The same network as a float32 file, with the figures that the file records of its float32
    model, whose weights were not yet rounded; without any where compression trained it further.

    Raises:
        CompressionError: see `restored`.
    """
    content = float32_tflite(restored(file))
    card = {**(file.card or {}), "quantization": None}
    how = card.get("compression", {})
    trained = any(how.get(step) for step in ("swish", "slim", "prune", "cluster", "qat"))
    card["metrics"] = None if trained else card.get("float32_metrics")
    path = file.path.with_name(f"{file.path.stem}-float32.tflite")
    return parse_model(package(content, card), path)


def restore(file: ModelFile, paths: Sequence[Path], folder: Path) -> Run:
    """Write the run folder of a file: to compress it otherwise, learn from it or go on.

    Args:
        file: see `restored`.
        paths: of the dataset it was trained on; see `Partition.open`.
        folder: to be made; missing or empty.

    Raises:
        CompressionError: see `restored`.
        RunError: the folder is in the way, or the file was trained on another split.
        DatasetError, UsageError: see `Partition.open`.
    """
    model, card = restored(file), dict(file.card or {})
    if folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder}: not empty; give another --out")
    training, run = card["training"], Run(folder)
    partition = Partition.of(training)
    split = partition(partition.open(*paths))
    if split.digest() != training["split_sha256"]:
        raise RunError(f"{file.path}: was trained on another split than this data gives now")
    images = training_pixels(split.train, training["seed"], card["input"]["height"])
    _set_statistics(model, images(STATISTICS_IMAGES))
    description = {
        **training,
        "recipe": card["recipe"],
        "recipe_sha256": card["recipe_sha256"],
        **({"changed": changes} if (changes := _changes(card)) else {}),
        "start": f"file {hashlib.sha256(file.content).hexdigest()}",
        "versions": {**card["versions"], "keras": keras.__version__, "numpy": np.__version__},
    }
    folder.mkdir(parents=True, exist_ok=True)
    run.description.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    write_split(run.split, split)
    save(model, run.model)
    return run
