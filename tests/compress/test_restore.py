"""A model file gives its network back, and refuses where it cannot."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tiny import TINY

from skinedge.benchmarks.backbones_int8 import set_batch_statistics
from skinedge.compress.activations import Exchanged, replace_activations
from skinedge.compress.channels import keep_channels, removable_groups
from skinedge.compress.convert import float32_tflite
from skinedge.compress.flatbuffer import packed
from skinedge.compress.quantize import float16_tflite, int8_tflite
from skinedge.compress.restore import _set_statistics, restored
from skinedge.compress.slim import Size, SlimReport
from skinedge.errors import CompressionError
from skinedge.model_file import ModelFile
from skinedge.train.batches import normalise
from skinedge.train.zoo.attention import FLOAT_IN_INT8
from skinedge.train.zoo.build import build
from skinedge.train.zoo.spec import ModelSpec, Placed
from skinedge.train.zoo.weights import load_imagenet

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), np.uint8)


def _file(content: bytes, about: dict[str, Any] | None = None) -> ModelFile:
    card = {"recipe": asdict(TINY), "input": {"height": 64}, "flatbuffer_bytes": len(content)}
    return ModelFile(Path("tiny.tflite"), content, (), {**card, **(about or {})})


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(1)
    model = build(TINY.spec, keras)
    load_imagenet(model, TINY.spec.backbone)
    return model


@pytest.fixture(scope="module")
def file(network: keras.Model) -> ModelFile:
    return _file(int8_tflite(network, PIXELS, FLOAT_IN_INT8))


def test_the_network_comes_back_to_within_the_rounding_of_weights(
    network: keras.Model, file: ModelFile
) -> None:
    again = restored(file)
    for one, other in zip(
        network.predict(normalise(PIXELS)), again.predict(normalise(PIXELS)), strict=True
    ):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.97
    kernel = again.get_layer("logits").get_weights()[0]
    step = np.abs(kernel).max(axis=0) / 127
    assert (np.abs(kernel - network.get_layer("logits").get_weights()[0]) <= 0.51 * step).all()


def test_a_float32_file_gives_the_same_answers(network: keras.Model) -> None:
    again = restored(_file(float32_tflite(network)))
    one, other = network.predict(normalise(PIXELS)), again.predict(normalise(PIXELS))
    assert np.allclose(one[0], other[0], atol=1e-4)


def test_layers_named_like_the_converters_numbering_are_told_apart() -> None:
    """MobileNetV3 has `conv` and `conv_1`, and the converter calls the first one `conv_1`."""
    keras.utils.set_random_seed(1)
    recipe = replace(TINY, spec=ModelSpec("mobilenet-v3-small", TINY.spec.attention, 64))
    network = build(recipe.spec, keras)
    set_batch_statistics(network, PIXELS)
    again = restored(_file(float32_tflite(network), {"recipe": asdict(recipe)}))
    one, other = network.predict(normalise(PIXELS)), again.predict(normalise(PIXELS))
    assert np.ptp(one[0], axis=0).max() > 0.01
    assert np.allclose(one[0], other[0], atol=1e-4)


def test_removed_channels_come_back(network: keras.Model) -> None:
    group = next(g for g in removable_groups(network) if g.name == "block3_expand_conv")
    kept = np.arange(0, group.channels, 3)
    slim = keep_channels(network, {group.name: kept})
    after = Size(1, 2, {group.name: len(kept)})
    did = {
        "slim60": asdict(SlimReport(after, after)),
        # An earlier cut, of a file that was restored in between, left more.
        "before slim80": asdict(SlimReport(after, Size(1, 2, {group.name: len(kept) + 8}))),
    }
    card = {"compression": {"did": did}}
    again = restored(_file(float32_tflite(slim), card))
    assert again.count_params() == slim.count_params() < network.count_params()
    one, other = slim.predict(normalise(PIXELS)), again.predict(normalise(PIXELS))
    assert np.allclose(one[0], other[0], atol=1e-4)
    with pytest.raises(CompressionError, match="of another shape than its card says"):
        restored(_file(float32_tflite(slim)))


def test_a_layer_called_twice_gets_the_mean_of_its_biases() -> None:
    """CBAM's shared MLP: bias correction moves the bias of each call by itself."""
    keras.utils.set_random_seed(1)
    recipe = replace(TINY, spec=replace(TINY.spec, attention=(Placed("cbam", ("final",)),)))
    network = build(recipe.spec, keras)
    set_batch_statistics(network, PIXELS)
    excite = network.get_layer("attention_channel_excite")
    weights = np.random.default_rng(0).normal(0, 1, (41, 320))
    excite.set_weights([weights[:40], weights[40]])
    content = int8_tflite(network, PIXELS, FLOAT_IN_INT8)
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    tensors = model.subgraphs[0].tensors
    biases = [
        tensors[operator.inputs[2]]
        for operator in model.subgraphs[0].operators
        if b"_excite" in tensors[operator.outputs[0]].name
    ]
    assert len({bias.buffer for bias in biases}) == 2
    for bias, share in zip(biases, (1.5, 0.7), strict=True):
        values = np.frombuffer(bytes(model.buffers[bias.buffer].data), np.int32)
        moved = np.round(share * values).astype(np.int32)
        model.buffers[bias.buffer].data = np.frombuffer(moved.tobytes(), np.uint8)
    again = restored(_file(packed(model), {"recipe": asdict(recipe)}))
    found = again.get_layer("attention_channel_excite").get_weights()[1]
    assert np.allclose(found, 1.1 * weights[40], atol=0.01)


def test_exchanged_swish_comes_back() -> None:
    keras.utils.set_random_seed(1)
    spec = replace(TINY.spec, backbone="efficientnet-b0")
    relu = replace_activations(keras, build(spec, keras), "relu6")
    card = {
        "recipe": asdict(replace(TINY, spec=spec)),
        "compression": {"did": {"relu6": asdict(Exchanged("relu6", 49))}},
    }
    again = restored(_file(float32_tflite(relu), card))
    one, other = relu.predict(normalise(PIXELS)), again.predict(normalise(PIXELS))
    assert np.allclose(one[0], other[0], atol=1e-4)


def test_statistics_of_images_change_no_answer(file: ModelFile) -> None:
    model = restored(file)
    before = model.predict(normalise(PIXELS))
    _set_statistics(model, PIXELS)
    for one, other in zip(before, model.predict(normalise(PIXELS)), strict=True):
        assert np.allclose(one, other, atol=1e-3 * np.abs(one).max())
    normaliser = model.get_layer("stem_bn")
    values = keras.Model(model.inputs, normaliser.input).predict(normalise(PIXELS))
    assert np.allclose(normaliser.moving_mean, values.mean(axis=(0, 1, 2)), atol=1e-3)
    assert np.allclose(normaliser.moving_variance, values.var(axis=(0, 1, 2)), rtol=1e-3)


def test_what_cannot_be_restored_is_refused(network: keras.Model) -> None:
    with pytest.raises(CompressionError, match="weights are not int8"):
        restored(_file(float16_tflite(network)))
    other = build(replace(TINY.spec, backbone="efficientnet-lite1"), keras)
    with pytest.raises(CompressionError, match=r"tiny\.tflite: cannot restore it"):
        restored(_file(int8_tflite(other, PIXELS, FLOAT_IN_INT8)))
    with pytest.raises(CompressionError, match="not a SkinEdge file"):
        restored(replace(_file(b""), card=None))
