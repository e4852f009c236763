"""Every attention block against its paper's equations, in numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from scipy.special import erf, expit, softmax

from skinedge.compress.quantize import float32_tflite
from skinedge.errors import UsageError
from skinedge.train.batches import normalise
from skinedge.train.zoo.attention import ATTENTION
from skinedge.train.zoo.attention.cbam import channel_attention
from skinedge.train.zoo.attention.s2 import FIRST_SHIFTS, SECOND_SHIFTS
from skinedge.train.zoo.attention.soft import SOFT_ATTENTION_HEADS, soft_attention
from skinedge.train.zoo.build import build
from skinedge.train.zoo.placement import placed
from skinedge.train.zoo.spec import ModelSpec, Placed
from skinedge.train.zoo.weights import load_imagenet

HEIGHT, WIDTH, CHANNELS, HEADS = 5, 7, 16, 4
BLOCKS = tuple(ATTENTION)
WITH_MAP = ("soft", "soft-published", "cbam", "sge", "spatial")
NAME = "attention"

Build = Callable[[ModuleType, Any, str], tuple[Any, Any]]


def model_of(function: Build, channels: int = CHANNELS, namespace: ModuleType = keras) -> Any:
    """A model of one block; its outputs are the features and, where there is one, the map."""
    features = namespace.Input((HEIGHT, WIDTH, channels))
    outputs = [out for out in function(namespace, features, NAME) if out is not None]
    return namespace.Model(features, outputs)


def block(name: str, channels: int = CHANNELS, namespace: ModuleType = keras) -> Any:
    return model_of(ATTENTION[name].build, channels, namespace)


def soft_with(heads: int) -> Build:
    return lambda namespace, x, name: soft_attention(namespace, x, name, heads)


def random_weights(model: Any, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 0.5, weight.shape).astype(np.float32) for weight in model.get_weights()]


def randomised(model: Any, seed: int) -> Any:
    model.set_weights(random_weights(model, seed))
    return model


def random_features(seed: int, channels: int = CHANNELS, count: int = 3) -> np.ndarray:
    # Each channel has a mean of its own: pooled vectors would be noise about zero otherwise.
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, HEIGHT, WIDTH, channels)) + rng.normal(size=channels)
    return x.astype(np.float32)


def outputs_of(model: Any, x: np.ndarray) -> list[np.ndarray]:
    outputs = model(x, training=False)
    return [np.asarray(out) for out in (outputs if isinstance(outputs, list) else [outputs])]


def weights_of(model: Any, part: str) -> list[np.ndarray]:
    return [w.astype(np.float64) for w in model.get_layer(f"{NAME}_{part}").get_weights()]


def assert_equal(ours: np.ndarray, expected: np.ndarray) -> None:
    assert ours.shape == expected.shape
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


# The references: from the papers, in float64; they share no code with the zoo.


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def convolve(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Cross-correlation with an odd square kernel `[k, k, in, out]`, zeros outside."""
    size = kernel.shape[0]
    margin = (size // 2, size // 2)
    padded = np.pad(x.astype(np.float64), ((0, 0), margin, margin, (0, 0)))
    result = np.zeros((*x.shape[:3], kernel.shape[3]))
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            patch = padded[:, row : row + size, column : column + size]
            result[:, row, column] = np.tensordot(patch, kernel, ((1, 2, 3), (0, 1, 2))) + bias
    return result


def summed_maps(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Sum over k of softmax(relu(W_k * t)), section 3.2: `[n, h, w]`, each sums to K."""
    exponentials = np.exp(relu(convolve(x, kernel, bias)))
    return (exponentials / exponentials.sum((1, 2), keepdims=True)).sum(axis=3)


def pooled_by_two(x: np.ndarray) -> np.ndarray:
    """Maximum over 2x2; an odd row or column at the end is a window of its own."""
    rows, columns = (range(0, side, 2) for side in x.shape[1:3])
    return np.stack(
        [
            np.stack([x[:, row : row + 2, col : col + 2].max((1, 2)) for col in columns], axis=1)
            for row in rows
        ],
        axis=1,
    )


def cbam_channel(model: Any, x: np.ndarray, prefix: str = "") -> np.ndarray:
    """Equation 2: M_c(F) = sigmoid(W1(W0(F_avg)) + W1(W0(F_max))), ReLU after W0."""
    (w0, b0), (w1, b1) = (weights_of(model, f"{prefix}{part}") for part in ("squeeze", "excite"))
    both = [relu(pooled @ w0 + b0) @ w1 + b1 for pooled in (x.mean((1, 2)), x.max((1, 2)))]
    return expit(both[0] + both[1])[:, None, None]


def cbam_spatial(model: Any, x: np.ndarray, prefix: str = "") -> np.ndarray:
    """Equation 3: M_s(F) = sigmoid(f7x7([F_avg; F_max])), pooled over channels."""
    kernel, bias = weights_of(model, f"{prefix}gate")
    assert kernel.shape[:2] == (7, 7)
    descriptor = np.stack([x.mean(3), x.max(3)], axis=3)
    return expit(convolve(descriptor, kernel, bias))


def moved(x: np.ndarray, direction: str) -> np.ndarray:
    """The paper's spatial shift: out[1:] = in[:-1] along an axis, or the other way; a copy of
    the input keeps what nothing moves into."""
    out = x.copy()
    if direction == "down":
        out[:, 1:] = x[:, :-1]
    elif direction == "up":
        out[:, :-1] = x[:, 1:]
    elif direction == "right":
        out[:, :, 1:] = x[:, :, :-1]
    elif direction == "left":
        out[:, :, :-1] = x[:, :, 1:]
    return out


def s2_reference(model: Any, x: np.ndarray) -> np.ndarray:
    """Section 3.1 and algorithm 1 of S2-MLPv2: expand, shift, split attention, project, add."""
    channels = x.shape[-1]
    quarter = channels // 4
    branches = []
    for label, directions in (
        ("first", ("down", "up", "right", "left")),
        ("second", ("right", "left", "down", "up")),
    ):
        expand = [weights_of(model, f"{label}{index}_expand") for index in range(4)]
        kernel = np.concatenate([w for w, _ in expand], axis=3)[0, 0]
        expanded = x @ kernel + np.concatenate([b for _, b in expand])
        for index, direction in enumerate(directions):
            part = slice(index * quarter, (index + 1) * quarter)
            expanded[..., part] = moved(expanded[..., part], direction)
        branches.append(expanded)
    kernel, bias = weights_of(model, "identity_expand")
    branches.append(x @ kernel[0, 0] + bias)

    pooled = sum(branches).mean((1, 2))
    (w1,), (w2,) = weights_of(model, "hidden"), weights_of(model, "split")
    hidden = pooled @ w1
    hidden = hidden * (1 + erf(hidden / np.sqrt(2))) / 2
    split = softmax((hidden @ w2).reshape(len(x), 3, channels), axis=1)
    mixed = sum(split[:, k, None, None] * branches[k] for k in range(3))
    kernel, bias = weights_of(model, "project")
    return x + mixed @ kernel[0, 0] + bias


def sge_reference(
    model: Any, x: np.ndarray, groups: int = 8, authors: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Equations 1 to 5 of SGE: (features, mean gate `[n, h*w]`).

    With `authors`, what their PyTorch code computes: a sum over the group's channels instead of
    a mean, the unbiased standard deviation, and 1e-5 added to it.
    """
    count, height, width, channels = x.shape
    grouped = x.astype(np.float64).reshape(count, height * width, groups, channels // groups)
    similarity = grouped * grouped.mean(1, keepdims=True)
    similarity = similarity.sum(3) if authors else similarity.mean(3)
    centred = similarity - similarity.mean(1, keepdims=True)
    if authors:
        normalised = centred / (similarity.std(1, ddof=1, keepdims=True) + 1e-5)
    else:
        normalised = centred / np.sqrt(similarity.var(1, keepdims=True) + 1e-5)
    scale, shift = weights_of(model, "norm")
    gate = expit(normalised * scale + shift)
    return (grouped * gate[..., None]).reshape(x.shape), gate.mean(2)


# Soft-Attention (Datta et al. 2021, arXiv 2105.03358)


@pytest.mark.parametrize(
    ("heads", "channels"), [(1, 6), (HEADS, 6), (HEADS, 1), (SOFT_ATTENTION_HEADS, 16)]
)
def test_soft_equals_the_published_equations(heads: int, channels: int) -> None:
    model = randomised(model_of(soft_with(heads), channels), seed=heads)
    kernel, bias, gamma = model.get_weights()
    x = random_features(1, channels)
    features, attention = outputs_of(model, x)

    published_map = summed_maps(x, kernel, bias)
    # Ours is gamma x h x w x mean of the heads; theirs is gamma x sum of the heads.
    published_gamma = gamma.item() * HEIGHT * WIDTH / heads
    attended = published_gamma * x * published_map[..., None]
    np.testing.assert_allclose(features[..., :channels], x)
    assert_equal(features[..., channels:], attended)
    assert_equal(attention, published_map.reshape(len(x), -1) / heads)


@pytest.mark.parametrize("channels", [1, 6, 16])
def test_soft_published_equals_the_published_network(channels: int) -> None:
    model = block("soft-published", channels)
    kernel, bias, gamma = model.get_weights()
    np.testing.assert_allclose(gamma, 0.01)  # where the paper starts it
    model.set_weights(random_weights(model, seed=channels))
    kernel, bias, gamma = model.get_weights()
    x = random_features(2, channels)
    features, attention = outputs_of(model, x)

    published_map = summed_maps(x, kernel, bias)
    attended = gamma.item() * x * published_map[..., None]
    expected = relu(np.concatenate([pooled_by_two(x), pooled_by_two(attended)], axis=3))
    assert features.shape == (3, 3, 4, 2 * channels)  # 5x7 has an odd row and an odd column
    assert_equal(features, expected)
    # The map that is shown is the mean over heads, so that it sums to 1 as every other.
    assert_equal(attention, published_map.reshape(len(x), -1) / SOFT_ATTENTION_HEADS)


@pytest.mark.parametrize("name", ["soft", "soft-published"])
def test_map_is_a_distribution_over_positions(name: str) -> None:
    model = randomised(block(name), seed=2)
    _, attention = outputs_of(model, random_features(seed=3))
    assert attention.shape == (3, HEIGHT * WIDTH)
    assert (attention >= 0).all()
    np.testing.assert_allclose(attention.sum(axis=1), 1, rtol=1e-5)
    assert attention.max() > 2 / (HEIGHT * WIDTH)


def test_gamma_scales_the_attended_half_alone() -> None:
    model = model_of(soft_with(HEADS))
    kernel, bias, gamma = random_weights(model, seed=4)
    x = random_features(seed=5)
    model.set_weights([kernel, bias, gamma])
    once, map_once = outputs_of(model, x)
    model.set_weights([kernel, bias, 3 * gamma])
    thrice, map_thrice = outputs_of(model, x)
    np.testing.assert_array_equal(map_once, map_thrice)
    np.testing.assert_array_equal(once[..., :CHANNELS], thrice[..., :CHANNELS])
    np.testing.assert_allclose(3 * once[..., CHANNELS:], thrice[..., CHANNELS:], rtol=1e-5)


def test_both_halves_of_soft_start_equally_loud() -> None:
    model = model_of(soft_with(HEADS))
    kernel, bias, gamma = model.get_weights()
    assert gamma.item() == 1
    model.set_weights([0 * kernel, 0 * bias, gamma])
    x = random_features(seed=6)
    features, attention = outputs_of(model, x)
    np.testing.assert_allclose(attention, 1 / (HEIGHT * WIDTH), rtol=1e-6)
    np.testing.assert_allclose(features[..., CHANNELS:], x, rtol=1e-6)


# CBAM (Woo et al. 2018, arXiv 1807.06521)


@pytest.mark.parametrize("channels", [5, 16, 24])
def test_cbam_equals_equations_1_to_3(channels: int) -> None:
    model = randomised(block("cbam", channels), seed=channels)
    x = random_features(7, channels)
    features, attention = outputs_of(model, x)
    refined = cbam_channel(model, x, "channel_") * x
    spatial = cbam_spatial(model, refined, "spatial_")
    assert_equal(features, spatial * refined)
    assert_equal(attention, spatial.reshape(len(x), -1))
    # Both pooled vectors go through one MLP: two matrices and two biases, then the 7x7 gate.
    hidden = max(1, channels // 8)
    shapes = [(channels, hidden), (hidden,), (hidden, channels), (channels,), (7, 7, 2, 1), (1,)]
    assert [weight.shape for weight in model.get_weights()] == shapes


def test_channel_attention_alone() -> None:
    model = randomised(model_of(channel_attention), seed=8)
    x = random_features(seed=9)
    (features,) = outputs_of(model, x)
    assert_equal(features, cbam_channel(model, x) * x)


@pytest.mark.parametrize("channels", [1, 6, 16])
def test_spatial_equals_equation_3(channels: int) -> None:
    model = randomised(block("spatial", channels), seed=channels)
    x = random_features(10, channels)
    features, attention = outputs_of(model, x)
    gate = cbam_spatial(model, x)
    assert_equal(features, gate * x)
    assert_equal(attention, gate.reshape(len(x), -1))


# SGE (Li, Hu & Yang 2019, arXiv 1905.09646)


@pytest.mark.parametrize("channels", [8, 16, 40])
def test_sge_equals_equations_1_to_5(channels: int) -> None:
    model = randomised(block("sge", channels), seed=channels)
    x = random_features(11, channels)
    features, attention = outputs_of(model, x)
    expected, gate = sge_reference(model, x)
    assert_equal(features, expected)
    assert_equal(attention, gate)
    # A learnable scale and shift for each group, nothing else.
    assert [weight.shape for weight in model.get_weights()] == [(8,), (8,)]


def test_sge_normalises_over_the_positions_of_each_picture() -> None:
    """Neither the other pictures of a batch nor training mode change the gates."""
    model = randomised(block("sge"), seed=12)
    x = random_features(seed=13)
    together = outputs_of(model, x)
    alone = outputs_of(model, x[1:2])
    training = [np.asarray(out) for out in model(x, training=True)]
    for one, other, third in zip(together, alone, training, strict=True):
        np.testing.assert_allclose(one[1:2], other, rtol=1e-5)
        np.testing.assert_allclose(one, third, rtol=1e-5)


def test_sge_is_close_to_the_authors_code() -> None:
    """Theirs divides by the unbiased deviation: sqrt(1 - 1/35) of ours in a 5x7 map, 1.4% less.

    That is a learnable scale 1.4% larger, so with it taken out only the epsilons differ: 1e-5
    beside a deviation of the sum, against a variance of the mean.
    """
    model = randomised(block("sge"), seed=14)
    x = random_features(seed=15)
    theirs, their_gate = sge_reference(model, x, authors=True)
    features, attention = outputs_of(model, x)
    assert np.abs(features - theirs).max() < 0.02 * np.abs(theirs).max()
    np.testing.assert_allclose(attention, their_gate, atol=0.01)

    scale, shift = model.get_weights()
    positions = HEIGHT * WIDTH
    model.set_weights([scale * np.float32(np.sqrt((positions - 1) / positions)), shift])
    features, attention = outputs_of(model, x)
    np.testing.assert_allclose(features, theirs, rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(attention, their_gate, atol=1e-3)


def test_sge_refuses_channels_it_cannot_group() -> None:
    with pytest.raises(UsageError, match="SGE cannot divide 12 channels into 8 groups"):
        block("sge", 12)


# S2-Attention (Yu et al. 2021, arXiv 2108.01072)


@pytest.mark.parametrize("channels", [4, 16, 24])
def test_s2_equals_the_published_algorithm(channels: int) -> None:
    model = randomised(block("s2", channels), seed=channels)
    x = random_features(16, channels)
    (features,) = outputs_of(model, x)
    assert_equal(features, s2_reference(model, x))


def s2_branch(label: str) -> Any:
    """A branch of S2 whose expansion is the identity, so that only its shifts are seen."""
    model = block("s2", 4)
    for index in range(4):
        kernel = np.zeros((1, 1, 4, 1), np.float32)
        kernel[0, 0, index, 0] = 1
        layer = model.get_layer(f"{NAME}_{label}{index}_expand")
        layer.set_weights([kernel, np.zeros(1, np.float32)])
    return keras.Model(model.input, model.get_layer(f"{NAME}_{label}").output)


ONE_PIXEL = {"down": (3, 3), "up": (1, 3), "right": (2, 4), "left": (2, 2)}


@pytest.mark.parametrize(
    ("label", "directions"),
    [
        ("first", ("down", "up", "right", "left")),
        ("second", ("right", "left", "down", "up")),
    ],
)
def test_s2_moves_each_quarter_by_one_pixel(label: str, directions: tuple[str, ...]) -> None:
    assert directions == {"first": FIRST_SHIFTS, "second": SECOND_SHIFTS}[label]
    x = np.zeros((1, HEIGHT, WIDTH, 4), np.float32)
    x[0, 2, 3] = 1
    (shifted,) = outputs_of(s2_branch(label), x)
    for channel, direction in enumerate(directions):
        assert np.argwhere(shifted[0, ..., channel]).tolist() == [list(ONE_PIXEL[direction])]


@pytest.mark.parametrize("label", ["first", "second"])
def test_s2_keeps_the_edge_that_nothing_moves_into(label: str) -> None:
    x = random_features(17, 4)
    (shifted,) = outputs_of(s2_branch(label), x)
    directions = {"first": FIRST_SHIFTS, "second": SECOND_SHIFTS}[label]
    edges = {
        "down": np.s_[:, 0],
        "up": np.s_[:, -1],
        "right": np.s_[:, :, 0],
        "left": np.s_[:, :, -1],
    }
    for channel, direction in enumerate(directions):
        ours, before = shifted[..., channel], x[..., channel]
        np.testing.assert_array_equal(ours[edges[direction]], before[edges[direction]])
        np.testing.assert_array_equal(ours, moved(before, direction))


def test_s2_refuses_channels_without_quarters() -> None:
    with pytest.raises(UsageError, match="S2-Attention needs channels in quarters, not 6"):
        block("s2", 6)


# ECA (Wang et al. 2020, arXiv 1910.03151) and SE (Hu et al. 2018, arXiv 1709.01507)


# (log2 c + 1) / 2 is 1, 2.5, 3.5, 4, 4.5, 5.5 and 6: cut to an integer, an even one plus 1.
@pytest.mark.parametrize(
    ("channels", "length"),
    [(2, 1), (16, 3), (64, 3), (128, 5), (256, 5), (1024, 5), (2048, 7)],
)
def test_eca_kernel_length_follows_equation_12(channels: int, length: int) -> None:
    features = keras.Input((1, 2, channels))
    out, _ = ATTENTION["eca"].build(keras, features, NAME)
    shapes = [weight.shape for weight in keras.Model(features, out).get_weights()]
    assert shapes == [(length, 1, 1), (1,)]


@pytest.mark.parametrize("channels", [6, 16, 130])
def test_eca_equals_its_equations(channels: int) -> None:
    model = randomised(block("eca", channels), seed=channels)
    x = random_features(18, channels)
    (features,) = outputs_of(model, x)
    kernel, bias = weights_of(model, "conv")
    margin = len(kernel) // 2
    pooled = np.pad(x.mean((1, 2), dtype=np.float64), ((0, 0), (margin, margin)))
    logits = np.stack([np.correlate(row, kernel[:, 0, 0], "valid") for row in pooled])
    assert_equal(features, x * expit(logits + bias)[:, None, None])


@pytest.mark.parametrize("channels", [5, 16, 40])
def test_se_equals_equations_2_to_4(channels: int) -> None:
    model = randomised(block("se", channels), seed=channels)
    x = random_features(19, channels)
    (features,) = outputs_of(model, x)
    (w1, b1), (w2, b2) = weights_of(model, "squeeze"), weights_of(model, "excite")
    assert w1.shape == (channels, max(1, channels // 16))
    gate = expit(relu(x.mean((1, 2)) @ w1 + b1) @ w2 + b2)
    assert_equal(features, x * gate[:, None, None])


# What holds for every block


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_return_features_and_a_map_or_none(name: str) -> None:
    features = keras.Input((HEIGHT, WIDTH, CHANNELS))
    out, attention = ATTENTION[name].build(keras, features, NAME)
    assert len(out.shape) == 4
    if name in WITH_MAP:
        assert attention.shape == (None, HEIGHT * WIDTH)
    else:
        assert attention is None
    if not name.startswith("soft"):  # which concatenates
        assert out.shape == features.shape


@pytest.mark.parametrize("name", ["cbam", "spatial", "sge"])
def test_gates_lie_between_0_and_1(name: str) -> None:
    model = randomised(block(name), seed=20)
    _, attention = outputs_of(model, random_features(seed=21))
    assert 0 < attention.min() < attention.max() < 1
    assert attention.max() - attention.min() > 0.1


@pytest.mark.parametrize("name", WITH_MAP)
def test_map_is_row_major(name: str) -> None:
    model = block(name)
    for layer in model.layers:
        if layer.name.endswith(("_heads", "_gate")) and layer.weights:
            kernel, bias = (np.zeros_like(weight) for weight in layer.get_weights())
            kernel[len(kernel) // 2, len(kernel) // 2] = 1  # only the middle of the window looks
            layer.set_weights([kernel, bias])
        elif layer.name.endswith("_norm"):
            layer.set_weights([np.ones_like(weight) for weight in layer.get_weights()])
    x = np.zeros((1, HEIGHT, WIDTH, CHANNELS), np.float32)
    x[0, 1, 5] = 1
    _, attention = outputs_of(model, x)
    assert attention[0].argmax() == 1 * WIDTH + 5
    assert np.sort(attention[0])[-1] > np.sort(attention[0])[-2]


# What a gate lets through at first. CBAM has two gates of sigmoid(3).
START = {
    "se": expit(3),
    "spatial": expit(3),
    "cbam": expit(3) ** 2,
    "sge": expit(1),
    "eca": expit(3),
    "s2": 1.0,
}


@pytest.mark.parametrize("name", START)
def test_a_pretrained_network_starts_as_open_as_the_module_says(name: str) -> None:
    keras.utils.set_random_seed(0)
    model = block(name, 64)
    x = random_features(22, 64, count=8)
    (features, *_) = outputs_of(model, x)
    np.testing.assert_allclose(features, START[name] * x, rtol=1e-5)
    if name == "s2":
        np.testing.assert_array_equal(features, x)


@pytest.mark.parametrize("name", BLOCKS)
def test_keras_2_and_3_agree(name: str) -> None:
    one = block(name)
    other = block(name, namespace=pytest.importorskip("tf_keras"))
    weights = random_weights(one, seed=7)
    assert [w.shape for w in other.get_weights()] == [w.shape for w in weights]
    x = random_features(seed=8)
    for model in (one, other):
        model.set_weights(weights)
    ours, theirs = outputs_of(one, x), outputs_of(other, x)
    assert len(ours) == len(theirs)
    for mine, its in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", BLOCKS)
def test_loading_needs_no_custom_objects(name: str, tmp_path: Path) -> None:
    model = randomised(block(name), seed=23)
    for layer in model.layers:
        assert getattr(keras.layers, type(layer).__name__) is type(layer)
        assert layer.name.startswith(NAME) or isinstance(layer, keras.layers.InputLayer)
    model.save(tmp_path / "block.keras")
    loaded = keras.models.load_model(tmp_path / "block.keras")
    x = random_features(seed=24)
    for before, after in zip(outputs_of(model, x), outputs_of(loaded, x), strict=True):
        np.testing.assert_array_equal(before, after)


# The float file of each block on EfficientNet-Lite0


def stir(model: Any, prefix: str) -> None:
    """Move the weights of some layers, so that none is where it started."""
    rng = np.random.default_rng(25)
    for layer in model.layers:
        if layer.name.startswith(prefix) and layer.weights:
            weights = layer.get_weights()
            spread = [0.5 / np.sqrt(max(1, w[..., 0].size)) for w in weights]
            layer.set_weights(
                [w + rng.normal(0, s, w.shape) for w, s in zip(weights, spread, strict=True)]
            )


def places_in_lite(name: str) -> tuple[Placed, ...]:
    # Seven ECA gates that start half shut leave nothing of ImageNet's features: no test of a file.
    if name == "eca":
        return (Placed("eca", ("stage2", "stage7")),)
    return placed(name, "efficientnet-lite0")


@pytest.mark.parametrize("name", BLOCKS)
def test_the_float_file_equals_keras(name: str) -> None:
    keras.utils.set_random_seed(1)
    model = build(ModelSpec("efficientnet-lite0", places_in_lite(name), 64), keras)
    load_imagenet(model, "efficientnet-lite0")
    rng = np.random.default_rng(26)
    pixels = normalise(rng.integers(0, 256, (1, 64, 64, 3), np.uint8))
    stir(model, "head_conv")  # it reads one half alone where a block concatenates
    before = outputs_of(model, pixels)[0]
    stir(model, "attention")
    logits, *attention = outputs_of(model, pixels)
    assert np.abs(logits - before).max() > 0.01  # attention does something

    interpreter = Interpreter(model_content=float32_tflite(model), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
    interpreter.invoke()
    outputs = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
    by_size = {output.shape[1]: output for output in outputs}
    assert len(by_size) == len(outputs) == 1 + (name in WITH_MAP)
    for expected in (softmax(logits, axis=1), *attention):
        np.testing.assert_allclose(by_size[expected.shape[1]], expected, atol=1e-4)
    nodes = [node["op_name"] for node in interpreter._get_ops_details()]
    assert nodes.count("DELEGATE") == 1  # XNNPACK takes every block
