"""Model file, int8 or float32 -> its Keras model, its run folder: to measure, compress or train.

A file holds its network to within the rounding of its weights. Batch normalisation is folded into
the convolutions there; to train on, it needs statistics again, and training images give them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from skinedge.errors import CompressionError, RunError, SkinEdgeError
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
from .file_weights import by_channel_of, kernels_of
from .metadata import package
from .pipeline import training_pixels
from .recipe import SWISH

__all__ = ["float32_form", "restore", "restored"]

STATISTICS_IMAGES = 384
_BATCH = 32
_WITH_KERNEL = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.Dense,
)


def _normalisers(model: Any) -> dict[str, Any]:
    """Batch normalisations by the name of the layer each one follows."""
    return {
        layer.input._keras_history.operation.name: layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }


def _line(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """(factor, offset): a batch normalisation computes factor * x + offset, channel by channel."""
    *learnt, mean, variance = layer.get_weights()
    factor = (learnt[0] if layer.scale else 1.0) / np.sqrt(variance + layer.epsilon)
    return factor, (learnt[-1] if layer.center else 0.0) - factor * mean


def _set_line(
    layer: Any,
    line: tuple[np.ndarray, np.ndarray],
    statistics: tuple[np.ndarray, np.ndarray] | None = None,
) -> None:
    """Let a batch normalisation compute `line` with this (mean, variance): by default with those
    that change nothing.

    One that learns no factor or no offset has it in its variance or its mean: those are not set.
    """
    factor, offset = line
    mean, variance = statistics or (0 * offset, 0 * offset + 1 - layer.epsilon)
    learnt = []
    if layer.scale:
        learnt.append(factor * np.sqrt(variance + layer.epsilon))
    else:
        variance = factor**-2.0 - layer.epsilon
    if layer.center:
        learnt.append(offset + factor * mean)
    else:
        mean = -offset / factor
    layer.set_weights([*learnt, mean, variance])


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


@contextmanager
def _restoring(path: Path) -> Iterator[None]:
    """What the block raises becomes one line: Keras raises whatever does not fit a network.

    Raises:
        CompressionError: the block raised.
    """
    try:
        yield
    except CompressionError as error:
        raise CompressionError(f"{path}: {error}") from None
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        why = first if isinstance(error, SkinEdgeError) else f"{type(error).__name__}: {first}"
        raise CompressionError(f"{path}: cannot restore it: {why}") from error


def _fill(model: Any, content: bytes) -> None:
    """Give a network the weights of a flatbuffer.

    Raises:
        CompressionError: it lacks some.
    """
    flatbuffer = schema.ModelT.InitFromPackedBuf(content, 0)
    layers = {layer.name: layer for layer in model.layers if layer.weights}
    with_kernel = {name: x for name, x in layers.items() if isinstance(x, _WITH_KERNEL)}
    kinds = (keras.layers.BatchNormalization, keras.layers.GroupNormalization, keras.layers.Conv1D)
    alone = {name: x for name, x in layers.items() if isinstance(x, kinds)}
    kernels, by_channel = kernels_of(flatbuffer, with_kernel), by_channel_of(flatbuffer, alone)
    normalisers = _normalisers(model)
    filled = set(kernels)
    for name, (kernel, bias) in kernels.items():
        normaliser = normalisers.get(name)
        if normaliser and normaliser.name not in by_channel:
            _set_line(normaliser, (np.ones(len(bias)), bias))
            filled.add(normaliser.name)
            bias = 0 * bias
        bias = bias + by_channel.get(name, {}).get("offset", 0.0)
        layers[name].set_weights([kernel, bias][: len(layers[name].weights)])
    for name, own in by_channel.items():
        if own.keys() != {"factor", "offset"}:
            continue
        line, layer = (own["factor"], own["offset"]), layers[name]
        if isinstance(layer, keras.layers.BatchNormalization):
            _set_line(layer, line)
        else:
            layer.set_weights(line)
        filled.add(name)
    if lacking := [name for name in layers if name not in filled]:
        raise CompressionError(f"cannot restore it: no weights for {lacking[0]}")


def restored(file: ModelFile) -> Any:
    """The Keras model of a file: logits and, with attention, the map.

    Inference alone: every batch normalisation that was folded into a convolution is the identity
    with the convolution's bias.

    Args:
        file: a SkinEdge file; its network is its recipe's, but for channels removed and swish
            exchanged.

    Raises:
        CompressionError: it is not, or its weights are neither int8 nor float32.
    """
    if file.card is None:
        raise CompressionError(f"{file.path}: cannot restore it: not a SkinEdge file")
    with _restoring(file.path):
        model = _network(file.card)
        _fill(model, file.content[: file.card["flatbuffer_bytes"]])
    return model


def _set_statistics(model: Any, images: np.ndarray) -> None:
    """Give each batch normalisation the statistics of these images; answers stay as they are.

    One that learns no factor keeps its variance of 1: it gave its training images that variance.
    """
    normalisers = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    if not normalisers:  # VGG
        return
    inner = keras.Model(model.inputs, [layer.input for layer in normalisers])
    sums = [np.zeros((2, layer.moving_mean.shape[0])) for layer in normalisers]
    counts = np.zeros(len(normalisers))
    for start in range(0, len(images), _BATCH):
        values = inner.predict_on_batch(normalise(images[start : start + _BATCH]))
        for k, value in enumerate(keras.tree.flatten(values)):  # no list where there is one
            rows = np.asarray(value, np.float64).reshape(-1, value.shape[-1])
            sums[k] += rows.sum(axis=0), (rows**2).sum(axis=0)
            counts[k] += len(rows)
    for layer, (total, squares), count in zip(normalisers, sums, counts, strict=True):
        mean = total / count
        variance = np.maximum(squares / count - mean**2, 0.0)
        _set_line(layer, _line(layer), (mean, variance))


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


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """The folder to write into instead; it takes `folder`'s place once the block has ended well.

    Whatever goes wrong, it is gone.

    Raises:
        OSError: the disk is full, say; names `folder`.
    """
    folder = folder.resolve()
    partial = folder.with_name(f"partial-{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)  # of an attempt that was killed
    try:
        partial.mkdir(parents=True)
        yield partial
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    except OSError as error:  # a full disk names no file
        raise OSError(error.errno, error.strerror or str(error), str(folder)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def restore(file: ModelFile, paths: Sequence[Path], folder: Path) -> Run:
    """Write the run folder of a file: to compress it otherwise, learn from it or go on.

    Args:
        file: see `restored`.
        paths: of the dataset it was trained on; see `Partition.open`.
        folder: to be made, whole or not at all; missing or empty.

    Raises:
        CompressionError: see `restored`.
        RunError: the folder is in the way, or the file was trained on another split.
        DatasetError, UsageError: see `Partition.open`.
        OSError: see `_appearing`.
    """
    model, card = restored(file), dict(file.card or {})
    if folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder}: not empty; give another --out")
    training = card["training"]
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
    with _appearing(folder) as partial:
        run = Run(partial)
        run.description.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        write_split(run.split, split)
        save(model, run.model)
    return Run(folder)
