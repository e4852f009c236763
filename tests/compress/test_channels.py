"""What is left computes what the whole network computes without the removed channels."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from skinedge.compress.channels import Group, costs, keep_channels, removable_groups
from skinedge.errors import CompressionError
from skinedge.train.zoo.build import build
from skinedge.train.zoo.cost import multiply_accumulates
from skinedge.train.zoo.placement import placed
from skinedge.train.zoo.spec import ModelSpec

# Keras' warnings about sizes other than 224.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# Backbone, attention, input size, groups and, of what produces them, a pattern nothing may have:
# the ends of residual branches, and attention.
NETWORKS = {
    "inverted residuals": ("efficientnet-lite0", "soft", 32, 18, "attention|block2_project"),
    "bottlenecks": ("resnet50", "none", 32, 33, "_3_conv|_0_conv"),
    "plain, shared layers": ("vgg16", "cbam", 32, 8, "attention"),
    "squeeze and excite": ("efficientnet-b0", "none", 64, 31, "block2b_project"),
    "hard swish": ("mobilenet-v3-small", "none", 32, 21, "expanded_conv_2_project"),
}


def _network(backbone: str, attention: str, size: int) -> Any:
    """Weights are random, those of normalisations too: neutral ones would hide mistakes."""
    keras.utils.set_random_seed(0)
    model = build(ModelSpec(backbone, placed(attention, backbone), size), keras)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


def _half(groups: list[Group]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {g.name: np.sort(rng.choice(g.channels, g.channels // 2, replace=False)) for g in groups}


def _without(model: Any, groups: list[Group], kept: dict[str, np.ndarray]) -> Any:
    """The whole network, deaf to the channels that are not kept."""
    deaf = keep_channels(model, {})
    for group in groups:
        gone = np.setdiff1d(np.arange(group.channels), kept[group.name])
        for name in group.consumers:
            kernel, *bias = deaf.get_layer(name).get_weights()
            kernel[..., gone, :] = 0
            deaf.get_layer(name).set_weights([kernel, *bias])
    return deaf


def _answers(model: Any, size: int) -> list[np.ndarray]:
    pixels = np.random.default_rng(2).uniform(-1, 1, (2, size, size, 3)).astype(np.float32)
    return [np.asarray(output) for output in keras.tree.flatten(model(pixels, training=False))]


@pytest.mark.parametrize("kind", NETWORKS)
def test_equals_the_network_without_those_channels(kind: str) -> None:
    backbone, attention, size, count, held = NETWORKS[kind]
    model = _network(backbone, attention, size)
    groups = removable_groups(model)
    producers = {name for group in groups for name in group.producers}
    assert len(groups) == count
    assert not [name for name in producers if any(part in name for part in held.split("|"))]
    kept = _half(groups)
    slim = keep_channels(model, kept)
    assert [layer.name for layer in slim.layers] == [layer.name for layer in model.layers]
    expected = _answers(_without(model, groups, kept), size)
    for got, want in zip(_answers(slim, size), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * np.abs(want).max())
    assert np.abs(_answers(model, size)[0] - expected[0]).max() > 0.01 * np.abs(expected[0]).max()
    shares = {group.name: len(kept[group.name]) / group.channels for group in groups}
    rows = costs(model, groups)
    assert sum(row.whole for row in rows) == multiply_accumulates(model)
    left = sum(row.whole * np.prod([shares[name] for name in row.groups]) for row in rows)
    assert left == pytest.approx(multiply_accumulates(slim))


def test_weights_are_equal_bit_for_bit() -> None:
    model = _network("efficientnet-lite0", "soft", 32)
    index = np.arange(3, 96, 2)
    slim = keep_channels(model, {"block1_expand_conv": index})
    for name, axis in (
        ("block1_expand_conv", -1),
        ("block1_expand_bn", -1),
        ("block1_depth_dw", -2),
        ("block1_depth_bn", -1),
        ("block1_project_conv", -2),
    ):
        whole, left = (m.get_layer(name).get_weights() for m in (model, slim))
        for one, other in zip(whole, left, strict=True):
            assert np.array_equal(np.take(one, index, axis=axis), other)


def _of(*layers_after: Any) -> list[str]:
    """Names of the groups of a network of two convolutions with something between."""
    pixels = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(16, 3, padding="same", name="first")(pixels)
    for layer in layers_after:
        x = layer(x)
    x = keras.layers.Conv2D(4, 1, name="last")(x)
    return [group.name for group in removable_groups(keras.Model(pixels, x))]


def test_what_is_not_known_holds_its_channels() -> None:
    layers = keras.layers
    assert _of(layers.ReLU(), layers.MaxPooling2D()) == ["first"]
    assert _of(lambda x: layers.Multiply()([x, layers.Dense(16, "sigmoid")(x)])) == ["first"]
    assert _of(lambda x: layers.Add()([x, layers.Conv2D(16, 1)(x)])) == []
    assert _of(lambda x: layers.Concatenate()([x, x])) == []
    assert _of(layers.Activation("softmax")) == []
    assert _of(layers.Permute((3, 1, 2))) == []
    assert _of(layers.GroupNormalization(4)) == []
    assert _of(layers.DepthwiseConv2D(3, depth_multiplier=2)) == []
    twice = layers.Conv2D(16, 1, name="twice")
    assert _of(twice, twice) == []


def test_bad_input() -> None:
    model = _network("efficientnet-lite0", "soft", 32)
    with pytest.raises(CompressionError, match="block2_project_conv cannot lose channels"):
        keep_channels(model, {"block2_project_conv": np.arange(8)})
    with pytest.raises(CompressionError, match="functional"):
        removable_groups(keras.layers.Dense(1, name="no_model"))
