"""Backbones of keras.applications against Keras' own networks and Keras' own preprocessing.

Nothing is downloaded: networks get random weights, and where Keras would download a file it
finds the one that a test wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from skinedge.errors import ModelFileError, UsageError
from skinedge.train.batches import normalise
from skinedge.train.zoo.applications import Application
from skinedge.train.zoo.backbones import BACKBONES
from skinedge.train.zoo.build import build
from skinedge.train.zoo.placement import placed
from skinedge.train.zoo.spec import ModelSpec, Placed
from skinedge.train.zoo.statistics import statistics
from skinedge.train.zoo.weights import load_imagenet

# Keras' warnings about file formats and about sizes other than 224.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

NAMES = tuple(name for name, row in BACKBONES.items() if isinstance(row.network, Application))
SMALLEST = {name: 75 if name == "inception-resnet-v2" else 32 for name in NAMES}
# Room for a last map of more than one pixel, where random weights magnify rounding less.
SIZES = {name: 64 if name.startswith("efficientnet") else SMALLEST[name] for name in NAMES}
SMALL = "mobilenet-v3-small"  # the quickest to build

# The module that has a network's `preprocess_input`, and whether it preprocesses in its graph.
MODULES = {
    "efficientnet-b0": ("efficientnet", True),
    "efficientnet-b3": ("efficientnet", True),
    "resnet50": ("resnet50", False),
    "vgg16": ("vgg16", False),
    "densenet201": ("densenet", False),
    "inception-resnet-v2": ("inception_resnet_v2", False),
    "mobilenet-v3-small": ("mobilenet_v3", True),
    "mobilenet-v3-large": ("mobilenet_v3", True),
}


def images(size: int, count: int) -> np.ndarray:
    """Noise of different brightness and tint, black and white among it."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (16, size, size, 3))
    tint = rng.uniform(0, 1, (16, 1, 1, 3))
    pictures = (noise * tint).astype(np.uint8)
    pictures[0, : size // 2], pictures[0, size // 2 :] = 0, 255
    return pictures[:count]


def keras_network(name: str, size: int, weights: str | None) -> Any:
    """As a user of Keras has it, its own preprocessing in the graph where it has that."""
    constructor = getattr(keras.applications, BACKBONES[name].network.constructor)
    return constructor(include_top=False, weights=weights, input_shape=(size, size, 3))


def randomise(network: Any, pictures: np.ndarray) -> None:
    """Weights that no layer shares, batch statistics that keep signals alive to the last layer."""
    rng = np.random.default_rng(1)
    norms = [x for x in network.layers if isinstance(x, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0  # moving statistics become those of the batch that follows
        if norm.scale:
            norm.gamma.assign(rng.uniform(0.5, 1.5, norm.gamma.shape))
        norm.beta.assign(rng.normal(0, 0.3, norm.beta.shape))
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
        if getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(0, 0.1, layer.bias.shape))
    standardisation = [x for x in network.layers if isinstance(x, keras.layers.Normalization)]
    mean, deviation, count = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]), 0
    for layer in standardisation:
        layer.set_weights([mean, deviation**2, np.array(count)])
        layer.finalize_state()
    if norms:
        network(pictures, training=True)
    for layer in standardisation:
        # As in Keras' file: the deviation where a variance belongs, for which a Rescaling that
        # `weights="imagenet"` adds makes up.
        layer.set_weights([mean, deviation, np.array(count)])


@dataclass(frozen=True)
class Case:
    """A network of Keras and ours, with the same weights."""

    name: str
    size: int
    reference: Any
    ours: Any
    places: list[str]

    @property
    def markers(self) -> list[Any]:
        return [self.ours.get_layer(f"marker_{place}") for place in self.places]


def case_of(name: str, folder: Path, patch: pytest.MonkeyPatch) -> Case:
    row, size = BACKBONES[name], SIZES[name]
    module, in_graph = MODULES[name]
    preprocess = getattr(keras.applications, module).preprocess_input
    # Some draws magnify rounding ten times as much as the next.
    keras.utils.set_random_seed(1)
    reference = keras_network(name, size, None)
    randomise(reference, preprocess(images(size, 16).astype(np.float32)))
    path = folder / f"{name}.weights.h5"
    reference.save_weights(path)
    patch.setattr("keras.src.utils.file_utils.get_file", lambda *_, **__: str(path))
    if in_graph:  # with what Keras adds to the graph for its ImageNet weights
        reference = keras_network(name, size, "imagenet")

    places = []

    def marked(x: Any, place: str) -> Any:
        places.append(place)
        return keras.layers.DepthwiseConv2D(
            1, use_bias=False, depthwise_initializer="ones", name=f"marker_{place}"
        )(x)

    pixels, features = row.build(keras, size, marked)
    ours = keras.Model(pixels, features)
    load_imagenet(ours, name)
    path.unlink()
    return Case(name, size, reference, ours, places)


@pytest.fixture(scope="module", params=NAMES)
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Case]:
    """Parametrised tests on it run network by network, so that one is in memory at a time.

    In float64: random weights magnify float32's rounding thousands of times.
    """
    single = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        with pytest.MonkeyPatch.context() as patch:
            made = case_of(request.param, tmp_path_factory.mktemp("weights"), patch)
        yield made
    finally:
        keras.config.set_floatx(single)
        keras.utils.clear_session()


def test_features_equal_keras(case: Case) -> None:
    pictures = images(case.size, 4)
    module, _ = MODULES[case.name]
    preprocess = getattr(keras.applications, module).preprocess_input
    expected = np.asarray(case.reference(preprocess(pictures.astype(np.float64)), training=False))
    ours = np.asarray(case.ours(normalise(pictures).astype(np.float64), training=False))
    assert ours.shape == expected.shape
    assert ours.dtype == expected.dtype == np.float64
    loudest = np.abs(expected).max()
    # The weights let something of the pictures through: otherwise anything would be equal.
    assert np.abs(expected - expected.mean(0)).max() > 0.05 * loudest > 0
    # `statistics` holds float32 constants: EfficientNet-B3 makes 2.3e-5 of their rounding.
    assert np.abs(ours - expected).max() < 5e-5 * loudest


def test_weights_are_keras_and_twelve_more(case: Case) -> None:
    preprocessing = sum(
        layer.count_params()
        for layer in case.reference.layers
        if isinstance(layer, keras.layers.Normalization)
    )
    markers = sum(marker.count_params() for marker in case.markers)
    expected = case.reference.count_params() - preprocessing + 12
    assert case.ours.count_params() - markers == expected


def test_statistics_stay_what_they_are(case: Case) -> None:
    layer = case.ours.get_layer("statistics")
    assert not layer.trainable
    assert layer.trainable_weights == []
    assert len(layer.non_trainable_weights) == 2
    frozen = {id(variable) for variable in layer.weights}
    assert not frozen & {id(variable) for variable in case.ours.trainable_weights}
    kernel, bias = statistics(BACKBONES[case.name].network.mode)
    np.testing.assert_array_equal(layer.get_weights()[0], kernel)
    np.testing.assert_array_equal(layer.get_weights()[1], bias)


def test_every_stage_can_be_attended(case: Case) -> None:
    """Blocks come in order of depth, and nothing passes them by."""
    stages = BACKBONES[case.name].stages
    assert case.places == [*(f"stage{stage}" for stage in range(1, stages + 1)), "final"]
    sides = [marker.output.shape[1] for marker in case.markers]
    assert sides == sorted(sides, reverse=True)
    *stage_markers, final = case.markers
    assert final.output is case.ours.output
    for marker in stage_markers:
        # Keras refuses a model whose output depends on more than its input.
        keras.Model(marker.output, case.ours.output)


def test_layers_come_from_keras_and_are_flat(case: Case) -> None:
    for layer in case.ours.layers:
        assert type(layer).__module__.startswith("keras.")
        assert not isinstance(layer, keras.Model)
        assert type(layer).__name__ not in ("Rescaling", "Normalization")


# Networks that leave layers or operations for Keras to number; MobileNet has both.
@pytest.mark.parametrize("name", ["efficientnet-b0", "mobilenet-v3-small", "mobilenet-v3-large"])
def test_names_are_the_same_in_every_session(name: str) -> None:
    models = [build(ModelSpec(name, (), 32), keras) for _ in range(2)]
    one, other = ([operation.name for operation in model.operations] for model in models)
    assert one == other
    assert len(set(one)) == len(one)


def test_numbered_layers_count_from_one() -> None:
    layers = build(ModelSpec("inception-resnet-v2", (), 75), keras).layers
    names = [layer.name for layer in layers]
    for prefix, kind in (
        ("conv2d", keras.layers.Conv2D),
        ("batch_normalization", keras.layers.BatchNormalization),
        ("activation", keras.layers.Activation),
    ):
        # Those with a name of their own keep it.
        numbered = [x.name for x in layers if type(x) is kind and x.name.startswith(prefix)]
        assert numbered == [f"{prefix}{number}" for number in range(1, len(numbered) + 1)]
        assert len(numbered) > 100
    assert {"block35_10_ac", "block17_20_ac", "conv_7b_ac"} < set(names)


@pytest.mark.parametrize("mode", ["tf", "torch", "caffe"])
def test_statistics_equal_keras_preprocessing(mode: str) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (2, 5, 7, 3), np.uint8)
    pixels[0, 0, :2] = [[0, 0, 0], [255, 255, 255]]
    expected = keras.applications.imagenet_utils.preprocess_input(
        pixels.astype(np.float64), mode=mode
    )
    kernel, bias = statistics(mode)
    assert (kernel.shape, bias.shape) == ((1, 1, 3, 3), (3,))
    assert kernel.dtype == bias.dtype == np.float32
    ours = normalise(pixels) @ kernel[0, 0] + bias
    np.testing.assert_allclose(ours, expected, atol=1e-6 * np.abs(expected).max())


def test_attention_works_after_every_stage() -> None:
    """In a built network: each gate, shut, shuts what follows."""
    places = (*(f"stage{stage}" for stage in range(1, 5)), "final")
    model = build(ModelSpec(SMALL, (Placed("se", places),), 64), keras)
    pixels = normalise(images(64, 2))
    for place in places:
        prefix = "attention" if place == "final" else f"attention_{place}"
        gate = model.get_layer(f"{prefix}_excite")
        before = gate.get_weights()
        features = keras.Model(model.input, model.get_layer(f"{prefix}_apply").output)
        gate.set_weights([before[0] * 0, before[1] * 0 - 100])
        assert np.abs(np.asarray(features(pixels, training=False))).max() < 1e-6
        gate.set_weights([before[0] * 0, before[1] * 0 + 100])
        x = np.asarray(keras.Model(model.input, features.layers[-1].input[0])(pixels))
        np.testing.assert_allclose(np.asarray(features(pixels, training=False)), x, rtol=1e-6)
        gate.set_weights(before)


@pytest.mark.parametrize("name", ["efficientnet-b0", SMALL])
def test_a_model_survives_saving(name: str, tmp_path: Path) -> None:
    model = build(ModelSpec(name, placed("cbam", name), 32), keras)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    assert not loaded.get_layer("statistics").trainable
    pixels = normalise(images(32, 2))
    for before, after in zip(model(pixels), loaded(pixels), strict=True):
        np.testing.assert_array_equal(np.asarray(before), np.asarray(after))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("less", [1, 1000])
def test_too_small_a_size_is_refused(name: str, less: int) -> None:
    size = SMALLEST[name]
    with pytest.raises(UsageError, match=f"at least {size}x{size}") as caught:
        build(ModelSpec(name, (), size - less), keras)
    assert str(caught.value).startswith(BACKBONES[name].network.constructor)
    assert "\n" not in str(caught.value)


# Weights from a file, and what is wrong with files


@pytest.fixture(scope="module")
def small() -> Any:
    return build(ModelSpec(SMALL, placed("soft", SMALL), 32), keras)


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5", ".keras"])
def test_weights_come_from_any_file_that_keras_reads(
    small: Any, suffix: str, tmp_path: Path
) -> None:
    source = BACKBONES[SMALL].network.create(keras, 32, None)
    path = tmp_path / f"weights{suffix}"
    (source.save_weights if suffix == ".weights.h5" else source.save)(path)
    own = {
        layer.name: layer.get_weights()
        for layer in small.layers
        if layer.name.startswith("attention") or layer.name in ("logits", "statistics")
    }
    load_imagenet(small, SMALL, path)
    for layer in source.layers:
        for ours, theirs in zip(
            small.get_layer(layer.name).get_weights() if layer.weights else [],
            layer.get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(ours, theirs)
    for name, weights in own.items():
        for ours, before in zip(small.get_layer(name).get_weights(), weights, strict=True):
            np.testing.assert_array_equal(ours, before)


def test_weights_fit_any_input_size(tmp_path: Path) -> None:
    source = BACKBONES[SMALL].network.create(keras, 224, None)
    source.save_weights(tmp_path / "imagenet.weights.h5")
    model = build(ModelSpec(SMALL, (), 96), keras)
    load_imagenet(model, SMALL, tmp_path / "imagenet.weights.h5")
    for ours, theirs in zip(
        model.get_layer("conv_1").get_weights(),
        source.get_layer("conv_1").get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


def refused(model: Any, path: Path | None) -> str:
    with pytest.raises(ModelFileError) as caught:
        load_imagenet(model, SMALL, path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_missing_file_is_named(small: Any, tmp_path: Path) -> None:
    path = tmp_path / "no.weights.h5"
    assert refused(small, path) == f"{path}: no such file of ImageNet weights"
    assert refused(small, tmp_path) == f"{tmp_path}: no such file of ImageNet weights"


@pytest.mark.parametrize("name", ["a.h5", "a.weights.h5", "a.keras", "a.pth", "a"])
def test_a_file_that_is_no_weights_is_refused(small: Any, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"garbage" * 100)
    assert refused(small, path).startswith(f"{path}: these weights are not {SMALL}'s: ")


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5"])
def test_weights_of_another_network_are_refused(small: Any, suffix: str, tmp_path: Path) -> None:
    other = BACKBONES["mobilenet-v3-large"].network.create(keras, 32, None)
    path = tmp_path / f"large{suffix}"
    (other.save_weights if suffix == ".weights.h5" else other.save)(path)
    assert refused(small, path).startswith(f"{path}: these weights are not {SMALL}'s: ")


# What Keras' `get_file` raises: a bare Exception around urllib's, or the system's own.
@pytest.mark.parametrize(
    "error",
    [
        Exception("URL fetch failure on https://x/y.h5: None -- [Errno -2] Name not known\nmore"),
        OSError(28, "No space left on device"),
        Exception(),
    ],
)
def test_a_failed_download_is_one_line_with_a_remedy(
    small: Any, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", fail)
    message = refused(small, None)
    assert message.startswith(f"cannot get ImageNet weights for {SMALL}: ")
    assert message.endswith("train from random weights with --weights none")
    first = (str(error) or "Exception").splitlines()[0]
    assert first in message
