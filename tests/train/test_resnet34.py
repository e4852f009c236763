"""ResNet34 against a second implementation in numpy, from files as torchvision would write them.

No published weights were at hand: the files hold random ones under torchvision's names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tf_keras
from scipy.special import softmax
from test_torch_file import legacy_file, tensor

from skinedge.compress.channels import removable_groups
from skinedge.compress.fidelity import fidelity
from skinedge.compress.heads import Heads, plan, run_heads
from skinedge.compress.quantize import int8_tflite
from skinedge.compress.twin import twin
from skinedge.errors import ModelFileError, UsageError
from skinedge.train.batches import normalise
from skinedge.train.zoo.attention import FLOAT_IN_INT8
from skinedge.train.zoo.backbones import BACKBONES, Backbone
from skinedge.train.zoo.build import build
from skinedge.train.zoo.cost import multiply_accumulates
from skinedge.train.zoo.placement import placed
from skinedge.train.zoo.resnet34 import BasicBlocks
from skinedge.train.zoo.spec import ModelSpec, Placed
from skinedge.train.zoo.weights import load_imagenet

NAME = "resnet34"
THOUSAND = tuple(str(number) for number in range(1000))
BLOCKS = (3, 4, 6, 3)
SHORT = (1, 1, 1, 1)  # all that differs from block to block, in a quarter of the time

State = dict[str, np.ndarray]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, NAME, Backbone(BasicBlocks(SHORT)))


def random_state(blocks: tuple[int, ...], counters: bool = False) -> State:
    """A state dict with torchvision's names and shapes, whose signals reach the last layer."""
    rng = np.random.default_rng(0)
    state: State = {}

    def convolution(name: str, inputs: int, outputs: int, kernel: int) -> None:
        shape = (outputs, inputs, kernel, kernel)
        weight = rng.standard_normal(shape, np.float32) * (2 / (inputs * kernel**2)) ** 0.5
        state[f"{name}.weight"] = weight.astype(np.float32)

    def norm(name: str, size: int) -> None:
        for part, low, high in (
            ("weight", 0.3, 0.7),
            ("bias", -0.3, 0.3),
            ("running_mean", -0.3, 0.3),
            ("running_var", 0.5, 1.5),
        ):
            state[f"{name}.{part}"] = rng.uniform(low, high, size).astype(np.float32)
        if counters:
            state[f"{name}.num_batches_tracked"] = np.array([7], np.int64)

    convolution("conv1", 3, 64, 7)
    norm("bn1", 64)
    inputs = 64
    for layer, (repeats, filters) in enumerate(zip(blocks, (64, 128, 256, 512), strict=True), 1):
        for block in range(repeats):
            name = f"layer{layer}.{block}"
            for part, entering in (("1", inputs), ("2", filters)):
                convolution(f"{name}.conv{part}", entering, filters, 3)
                norm(f"{name}.bn{part}", filters)
            if inputs != filters:
                convolution(f"{name}.downsample.0", inputs, filters, 1)
                norm(f"{name}.downsample.1", filters)
            inputs = filters
    state["fc.weight"] = rng.normal(0, 0.05, (1000, 512)).astype(np.float32)
    state["fc.bias"] = rng.normal(0, 0.1, 1000).astype(np.float32)
    return state


def written(state: State, path: Path) -> Path:
    tree, storages = {}, {}
    for number, (name, array) in enumerate(state.items()):
        strides = tuple(stride // array.itemsize for stride in array.strides)
        tree[name] = tensor(str(number), array, array.shape, strides)
        storages[str(number)] = array
    path.write_bytes(legacy_file(tree, storages))
    return path


# A second implementation, from the paper and the names in the file; shares no code with the zoo.
def convolve(x: np.ndarray, weight: np.ndarray, stride: int = 1) -> np.ndarray:
    """`x` [n, h, w, c], `weight` [out, in, k, k]; zeros on every side, as PyTorch pads."""
    kernel = weight.shape[2]
    margin = (kernel // 2, kernel // 2)
    padded = np.pad(x, ((0, 0), margin, margin, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(1, 2))
    return np.tensordot(windows[:, ::stride, ::stride], weight, ((3, 4, 5), (1, 2, 3)))


def numpy_logits(state: State, pixels: np.ndarray, blocks: tuple[int, ...]) -> np.ndarray:
    """`pixels` uint8 `[n, h, w, 3]` -> `[n, 1000]`."""

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        gamma, beta, mean, variance = (
            state[f"{name}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta

    x = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    x = np.maximum(norm(convolve(x, state["conv1.weight"], 2), "bn1"), 0)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    x = windows[:, ::2, ::2].max((-1, -2))
    for layer, repeats in enumerate(blocks, 1):
        for block in range(repeats):
            name, before = f"layer{layer}.{block}", x
            stride = 2 if layer > 1 and block == 0 else 1
            x = np.maximum(
                norm(convolve(x, state[f"{name}.conv1.weight"], stride), f"{name}.bn1"), 0
            )
            x = norm(convolve(x, state[f"{name}.conv2.weight"]), f"{name}.bn2")
            if f"{name}.downsample.0.weight" in state:
                before = convolve(before, state[f"{name}.downsample.0.weight"], stride)
                before = norm(before, f"{name}.downsample.1")
            x = np.maximum(x + before, 0)
    return x.mean((1, 2)) @ state["fc.weight"].T + state["fc.bias"]


def images(size: int, count: int = 2) -> np.ndarray:
    """Noise of different brightness and tint: the mean of plain noise is the same in each."""
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (count, size, size, 3))
    return (noise * rng.uniform(0, 1, (count, 1, 1, 3))).astype(np.uint8)


def forward(model: Any, pixels: np.ndarray) -> list[np.ndarray]:
    return [np.asarray(x) for x in keras.tree.flatten(model(normalise(pixels), training=False))]


def assert_equal_to_numpy(model: Any, state: State, size: int, blocks: tuple[int, ...]) -> None:
    pixels = images(size)
    expected = numpy_logits(state, pixels, blocks)
    (logits,) = forward(model, pixels)
    loudest = np.abs(expected).max()
    # The weights let something of the pictures through: otherwise anything would be equal.
    assert np.abs(expected[0] - expected[1]).max() > 0.05 * loudest
    assert np.abs(logits - expected).max() < 1e-5 * loudest


def test_the_whole_network_is_torchvisions(tmp_path: Path) -> None:
    """Logits, parameters, multiply-accumulates, and what channels can go."""
    state = random_state(BLOCKS)
    keras.utils.set_random_seed(0)
    model = build(ModelSpec(NAME, (), 64, THOUSAND), keras)
    load_imagenet(model, NAME, written(state, tmp_path / "resnet34.pth"))
    assert_equal_to_numpy(model, state, 64, BLOCKS)

    def counted(weights: Any) -> int:
        return sum(int(np.prod(weight.shape)) for weight in weights)

    # As torchvision counts: what is learned, without moving statistics and with the classifier.
    assert counted(model.trainable_weights) == 21_797_672
    head = model.get_layer("logits").weights
    assert counted(model.trainable_weights) - counted(head) == 21_284_672
    assert counted(model.weights) - 12 == counted(state.values())
    # Of each block the channels between its two convolutions; a sum holds all others.
    names = [f"layer{x}_{y}_conv1" for x, n in enumerate(BLOCKS, 1) for y in range(n)]
    groups = removable_groups(model)
    assert [group.name for group in groups] == names
    assert [group.consumers for group in groups] == [(name[:-1] + "2",) for name in names]


def test_costs_what_the_paper_says() -> None:
    """He et al. 2016, table 1: 3.6 billion; torchvision says 3.66."""
    model = build(ModelSpec(NAME, (), 224, THOUSAND), keras)
    assert multiply_accumulates(model) == pytest.approx(3.66e9, rel=0.002)


# torchvision's first files were written before batch normalisation counted its batches.
@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(("size", "counters"), [(75, True), (32, False)])
def test_any_size_is_padded_on_every_side(size: int, counters: bool, tmp_path: Path) -> None:
    state = random_state(SHORT, counters)
    model = build(ModelSpec(NAME, (), size, THOUSAND), keras)
    load_imagenet(model, NAME, written(state, tmp_path / "resnet34.pth"))
    assert_equal_to_numpy(model, state, size, SHORT)


@pytest.mark.usefixtures("short")
def test_every_stage_can_be_attended() -> None:
    """Places come in order of depth, and nothing passes them by."""
    row, found = BACKBONES[NAME], []

    def noted(x: Any, place: str) -> Any:
        found.append((place, x.shape[1:]))
        return keras.layers.Activation("linear", name=place)(x)

    pixels, features = row.build(keras, 96, noted)
    model = keras.Model(pixels, features)
    assert [place for place, _ in found] == ["stage1", "stage2", "stage3", "stage4", "final"]
    assert row.stages == 4
    shapes = [shape for _, shape in found]
    assert shapes == [(24, 24, 64), (12, 12, 128), (6, 6, 256), (3, 3, 512), (3, 3, 512)]
    for place, _ in found[:-1]:  # Keras refuses a model whose output depends on more than its input
        keras.Model(model.get_layer(place).output, features)


@pytest.mark.usefixtures("short")
def test_attention_in_the_middle_starts_where_imagenet_ended(tmp_path: Path) -> None:
    """Two convolutions read what a block concatenates: the residual branch and the shortcut."""
    path = written(random_state(SHORT), tmp_path / "resnet34.pth")
    plain = build(ModelSpec(NAME, (), 64, THOUSAND), keras)
    load_imagenet(plain, NAME, path)
    model = build(ModelSpec(NAME, (Placed("soft", ("stage2",)),), 64, THOUSAND), keras)
    load_imagenet(model, NAME, path)
    heads = model.get_layer("attention_stage2_heads")
    heads.set_weights([np.zeros_like(weight) for weight in heads.get_weights()])
    logits, attention = forward(model, images(64))
    np.testing.assert_allclose(attention, 1 / 64, rtol=1e-6)
    (expected,) = forward(plain, images(64))
    np.testing.assert_allclose(logits, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.usefixtures("short")
def test_statistics_and_logits_stay_what_they_are(tmp_path: Path) -> None:
    model = build(ModelSpec(NAME, placed("soft", NAME), 32), keras)
    own = [
        layer
        for layer in model.layers
        if layer.name.startswith("attention") or layer.name in ("logits", "statistics")
    ]
    before = [layer.get_weights() for layer in own]
    load_imagenet(model, NAME, written(random_state(SHORT), tmp_path / "resnet34.pth"))
    for layer, weights in zip(own, before, strict=True):
        for now, then in zip(layer.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(now, then)
    assert not model.get_layer("statistics").trainable


@pytest.mark.usefixtures("short")
def test_goes_the_way_of_every_model(tmp_path: Path) -> None:
    """Saved and loaded, in Keras 2, and in int8 in one piece."""
    keras.utils.set_random_seed(0)
    model = build(ModelSpec(NAME, placed("soft", NAME), 64), keras)
    model.save(tmp_path / "model.keras")
    pixels = images(64, 8)
    expected = forward(model, pixels)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for ours, theirs in zip(forward(loaded, pixels), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    copy = twin(model)
    for layer in copy.layers:  # Keras 2's fused kernel multiplies in another order
        if isinstance(layer, tf_keras.layers.BatchNormalization):
            layer.fused = False
    for ours, theirs in zip(forward(copy, pixels), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    small = int8_tflite(model, pixels[:4], FLOAT_IN_INT8)
    assert plan(small).partitions == 1
    pair = fidelity(Heads(softmax(expected[0], axis=1), expected[1]), run_heads(small, pixels))
    assert pair.agreement == 1
    assert pair.attention_correlation > 0.9


def test_too_small_a_size_is_refused() -> None:
    with pytest.raises(UsageError, match="31: ResNet takes at least 32x32"):
        build(ModelSpec(NAME, (), 31), keras)


# What is wrong with files


def refused(path: Path | None) -> str:
    model = build(ModelSpec(NAME, (), 32), keras)
    with pytest.raises(ModelFileError) as caught:
        load_imagenet(model, NAME, path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.usefixtures("short")
def test_without_a_file_there_are_no_weights(tmp_path: Path) -> None:
    message = refused(None)
    assert message.startswith("Keras has no ImageNet weights for resnet34: ")
    assert message.endswith("train from random weights with --weights none")
    assert refused(tmp_path / "no.pth").startswith(str(tmp_path / "no.pth"))


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("blocks", "odd"),
    [
        ((1, 2, 1, 1), "layer2.1.bn1 is in the file alone"),
        ((1, 1, 0, 1), "layer3.0.bn1 is in the network alone"),
    ],
)
def test_a_network_of_other_depth_is_refused(
    blocks: tuple[int, ...], odd: str, tmp_path: Path
) -> None:
    path = written(random_state(blocks), tmp_path / "other.pth")
    assert refused(path) == f"{path}: these weights are not resnet34's: {odd}"


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("name", ["layer1.0.conv1.weight", "layer2.0.bn2.bias"])
@pytest.mark.parametrize("change", ["shape", "absent"])
def test_other_tensors_are_refused(name: str, change: str, tmp_path: Path) -> None:
    state = random_state(SHORT)
    if change == "shape":
        state[name] = state[name][:1].copy()
    else:
        del state[name]
    path = written(state, tmp_path / "other.pth")
    assert refused(path).startswith(f"{path}: these weights are not resnet34's: ")
