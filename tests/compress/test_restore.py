"""A model file gives its network back, and refuses where it cannot."""

from __future__ import annotations

import errno
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer
from small import small
from tiny import TINY

from skinedge.benchmarks.backbones_int8 import set_batch_statistics
from skinedge.compress.activations import Exchanged, replace_activations
from skinedge.compress.channels import keep_channels, removable_groups
from skinedge.compress.convert import float32_tflite
from skinedge.compress.flatbuffer import packed
from skinedge.compress.qat import fake_quantized, qat_tflite
from skinedge.compress.quantize import float16_tflite, int8_tflite
from skinedge.compress.restore import _set_statistics, restore, restored
from skinedge.compress.slim import Size, SlimReport
from skinedge.errors import CompressionError
from skinedge.model_file import ModelFile
from skinedge.train.batches import normalise
from skinedge.train.datasets import open_dataset
from skinedge.train.partition import Partition
from skinedge.train.runs import load
from skinedge.train.zoo.attention import ATTENTION, FLOAT_IN_INT8
from skinedge.train.zoo.build import build
from skinedge.train.zoo.spec import ModelSpec, Placed
from skinedge.train.zoo.weights import load_imagenet

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), np.uint8)
SMALLEST = {"inception-resnet-v2": 75, "vgg16": 32}
# Where a backbone is cut: behind it are more layers of the same kinds.
CUT = {
    "densenet201": "pool2_pool",
    "efficientnet-b3": "block2a_project_bn",
    "inception-resnet-v2": "block35_2_ac",
    "mobilenet-v3-large": "expanded_conv_4_add",
    "resnet34": "layer2_0_relu2",
    "resnet50": "conv2_block2_out",
    "vgg16": "block2_pool",
}
CONVERT = {
    "float32": float32_tflite,
    "int8": lambda network: int8_tflite(network, PIXELS, FLOAT_IN_INT8),
    "qat": lambda network: qat_tflite(fake_quantized(network, PIXELS)),
}


def _file(content: bytes, about: dict[str, Any] | None = None) -> ModelFile:
    card = {"recipe": asdict(TINY), "input": {"height": 64}, "flatbuffer_bytes": len(content)}
    return ModelFile(Path("tiny.tflite"), content, (), {**card, **(about or {})})


def _restored(
    network: keras.Model, monkeypatch: pytest.MonkeyPatch, precision: str = "float32"
) -> keras.Model:
    """A network that no recipe describes, there and back."""
    monkeypatch.setattr(
        "skinedge.compress.restore._network", lambda card: keras.models.clone_model(network)
    )
    return restored(_file(CONVERT[precision](network)))


def _answers(network: keras.Model, pixels: np.ndarray = PIXELS) -> list[np.ndarray]:
    outputs = network.predict(normalise(pixels), verbose=0)
    return outputs if isinstance(outputs, list) else [outputs]


def _lively(network: keras.Model, pixels: np.ndarray) -> keras.Model:
    """No bias is zero, no batch normalisation neutral, answers differ."""
    rng = np.random.default_rng(0)
    for layer in network.layers:
        weights = layer.get_weights()
        learnt = len(layer.trainable_weights)
        if isinstance(layer, keras.layers.BatchNormalization) or len(weights) == 2:
            weights = [w + rng.normal(0, 0.1, w.shape) for w in weights[:learnt]] + weights[learnt:]
            layer.set_weights(weights)
    set_batch_statistics(network, pixels)
    return network


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


@pytest.mark.parametrize("backbone", CUT)
def test_every_backbone_comes_back(backbone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keras.utils.set_random_seed(1)
    side = SMALLEST.get(backbone, 64)
    pixels = np.random.default_rng(0).integers(0, 256, (8, side, side, 3), np.uint8)
    whole = build(ModelSpec(backbone, (), side), keras)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(whole.get_layer(CUT[backbone]).output)
    logits = keras.layers.Dense(7, name="logits")(x)
    network = _lively(keras.models.clone_model(keras.Model(whole.inputs, [logits])), pixels)
    again = _restored(network, monkeypatch)
    before, after = _answers(network, pixels)[0], _answers(again, pixels)[0]
    assert np.ptp(before, axis=0).max() > 0.01
    assert np.allclose(before, after, atol=1e-3 * np.abs(before).max())
    _set_statistics(again, pixels)
    assert np.allclose(before, _answers(again, pixels)[0], atol=1e-3 * np.abs(before).max())


@pytest.mark.parametrize("block", ATTENTION)
def test_every_attention_block_comes_back(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = small(block)
    again = _restored(network, monkeypatch)
    for before, after in zip(_answers(network), _answers(again), strict=True):
        assert np.ptp(before, axis=0).max() > 1e-4
        assert np.allclose(before, after, atol=1e-4 * np.abs(before).max())


@pytest.mark.parametrize("precision", ["int8", "qat"])
@pytest.mark.parametrize("block", ["eca", "sge"])
def test_rounded_attention_comes_back(
    block: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = small(block)
    again = _restored(network, monkeypatch, precision)
    for before, after in zip(_answers(network), _answers(again), strict=True):
        assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.99


def _every_kind() -> keras.Model:
    """What converters fold, and what keeps them from it."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    pixels = keras.Input((64, 64, 3), name="pixels")
    x = layers.Conv2D(16, 3, 4, "same", name="biased")(pixels)
    x = layers.BatchNormalization(name="biased_bn")(x)
    x = layers.ReLU(name="biased_relu")(x)
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="unscaled")(x)
    x = layers.BatchNormalization(scale=False, name="unscaled_bn")(x)
    x = layers.ReLU(name="unscaled_relu")(x)
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="unshifted")(x)
    x = layers.BatchNormalization(center=False, name="unshifted_bn")(x)
    x = layers.ReLU(name="unshifted_relu")(x)
    residual = layers.Conv2D(16, 1, name="residual")(x)
    x = CustomScaleLayer(0.17, name="sum")([x, residual])
    x = layers.BatchNormalization(name="alone_bn")(x)
    x = layers.ReLU(name="alone_relu")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True, name="average")(x)
    gate = layers.Conv2D(16, 1, name="gate")(gate)
    gate = layers.ReLU(6.0, name="gate_relu")(gate + 3.0) * (1 / 6)
    x = layers.Multiply(name="gated")([x, gate])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return _lively(keras.Model(pixels, [layers.Dense(7, name="logits")(x)], name="kinds"), PIXELS)


@pytest.mark.parametrize("precision", CONVERT)
def test_what_converters_fold_comes_back(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = _every_kind()
    again = _restored(network, monkeypatch, precision)
    (before,), (after,) = _answers(network), _answers(again)
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.99
    for name in ("residual", "gate"):
        kernel, bias = network.get_layer(name).get_weights()
        kernel_again, bias_again = again.get_layer(name).get_weights()
        step = np.abs(kernel).max(axis=(0, 1, 2)) / 127
        assert (np.abs(kernel - kernel_again) <= 0.51 * step).all()
        assert np.allclose(bias, bias_again, atol=0.01)
    _set_statistics(again, PIXELS)
    assert np.allclose(after, _answers(again)[0], atol=1e-4)
    if precision == "float32":
        assert np.allclose(before, after, atol=1e-4)


def test_a_file_of_quantization_aware_training_comes_back(
    network: keras.Model, file: ModelFile
) -> None:
    """tensorflow-model-optimization renames the layers it wraps."""
    model = schema.ModelT.InitFromPackedBuf(file.content, 0)
    for tensor in model.subgraphs[0].tensors:
        name = tensor.name.decode()
        tensor.name = name.replace("/", "/quant_").encode()
    again, same = restored(_file(packed(model))), restored(file)
    for one, other in zip(again.get_weights(), same.get_weights(), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("count", [0, 1])
def test_statistics_of_no_or_one_batch_normalisation(count: int) -> None:
    x = pixels = keras.Input((64, 64, 3), name="pixels")
    for index in range(count):
        x = keras.layers.BatchNormalization(name=f"bn{index}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    network = keras.Model(pixels, [keras.layers.Dense(7, name="logits")(x)])
    (before,) = _answers(network)
    _set_statistics(network, PIXELS)
    assert np.allclose(before, _answers(network)[0], atol=1e-5)
    for index in range(count):
        mean = normalise(PIXELS).mean(axis=(0, 1, 2))
        assert np.allclose(network.get_layer(f"bn{index}").moving_mean, mean, atol=1e-4)


@pytest.fixture(scope="module")
def with_training(file: ModelFile, ham10000: Path) -> ModelFile:
    split = Partition()(open_dataset(ham10000))
    training = {"seed": 1, "partition": asdict(Partition()), "split_sha256": split.digest()}
    card = {"training": training, "recipe_sha256": "", "versions": {}}
    return replace(file, card={**(file.card or {}), **card})


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_an_interrupted_restore_leaves_nothing_behind(
    error: BaseException,
    with_training: ModelFile,
    ham10000: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(model: keras.Model, path: Path) -> None:
        raise error

    monkeypatch.setattr("skinedge.compress.restore.save", fail)
    with pytest.raises(type(error)) as raised:
        restore(with_training, [ham10000], tmp_path / "run")
    if isinstance(error, OSError):
        assert raised.value.filename == str(tmp_path / "run")  # which the command line prints
    assert not list(tmp_path.iterdir())


def test_a_killed_restore_is_not_in_the_way(
    with_training: ModelFile, ham10000: Path, tmp_path: Path
) -> None:
    left = tmp_path / "partial-run"
    left.mkdir()
    (left / "run.json").write_text("{")
    (tmp_path / "run").mkdir()
    run = restore(with_training, [ham10000], tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert run.describe()["start"].startswith("file ")
    assert load(run).name == "efficientnet_lite0_soft"


def test_whatever_a_strange_card_says_is_refused_in_one_line(file: ModelFile) -> None:
    assert file.card
    unknown = asdict(replace(TINY, spec=replace(TINY.spec, backbone="strangenet")))
    strange = {"strangenet": {"recipe": unknown}, "KeyError: 'height'": {"input": {}}}
    for why, changes in strange.items():
        with pytest.raises(CompressionError, match=rf"^tiny\.tflite: cannot restore it: .*{why}"):
            restored(replace(file, card={**file.card, **changes}))


def test_what_cannot_be_restored_is_refused(network: keras.Model) -> None:
    with pytest.raises(CompressionError, match="weights are not int8"):
        restored(_file(float16_tflite(network)))
    other = build(replace(TINY.spec, backbone="efficientnet-lite1"), keras)
    with pytest.raises(CompressionError, match=r"tiny\.tflite: cannot restore it"):
        restored(_file(int8_tflite(other, PIXELS, FLOAT_IN_INT8)))
    with pytest.raises(CompressionError, match="not a SkinEdge file"):
        restored(replace(_file(b""), card=None))
