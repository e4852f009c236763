"""Which channels of a Keras 3 network can go without a trace, and the network without them.

A group is the output of one convolution, followed through layers that treat every channel by
itself, up to the convolutions and dense layers that read it. If it reaches nothing else, a channel
of it can be cut out of every kernel on the way: what is left computes exactly what the whole
network computes when those readers' weights for the channel are zero. A product of two tensors
(squeeze-and-excite) ties the channels of both, so that the gate loses what its features lose. A
sum, a concatenation, an output or any layer not known here holds its channels fast: that keeps
residual streams and attention blocks as they are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from skinedge.errors import CompressionError

__all__ = ["Cost", "Group", "costs", "keep_channels", "nodes", "removable_groups"]

# Where zero, one or many channels stand beside a channel changes nothing in it.
POINTWISE = (
    "elu",
    "gelu",
    "hard_sigmoid",
    "hard_silu",
    "leaky_relu",
    "linear",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "tanh",
)
WITHOUT_WEIGHTS = (
    keras.layers.AveragePooling2D,
    keras.layers.Cropping2D,
    keras.layers.Dropout,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.LeakyReLU,
    keras.layers.MaxPooling2D,
    keras.layers.ReLU,
    keras.layers.UpSampling2D,
    keras.layers.ZeroPadding2D,
)


@dataclass(frozen=True)
class Group:
    """Channels that can go, each out of all these layers together.

    Attributes:
        name: the first producer's.
        channels: how many there are.
        producers: layers whose output they are.
        followers: layers that treat each by itself and have to know how many there are.
        consumers: layers that read them and end the group.
    """

    name: str
    channels: int
    producers: tuple[str, ...]
    followers: tuple[str, ...]
    consumers: tuple[str, ...]


@dataclass(frozen=True)
class Cost:
    """Multiply-accumulates of one layer.

    Attributes:
        whole: of the layer as it is.
        groups: names of the groups along whose channels its kernel can shrink.
        depthwise: whether each reads one channel alone, which takes a device longer.
    """

    whole: int
    groups: tuple[str, ...]
    depthwise: bool


def nodes(model: Any) -> Iterator[Any]:
    """Calls of layers and operations in a functional model, each after those it depends on.

    Raises:
        CompressionError: the model is not functional.
    """
    by_depth = getattr(model, "_nodes_by_depth", None)
    if by_depth is None:
        raise CompressionError(
            f"{model.name}: only functional Keras models can lose channels, such as zoo.build makes"
        )
    for depth in sorted(by_depth, reverse=True):
        yield from by_depth[depth]


def _channels_last(layer: Any) -> bool:
    return getattr(layer, "data_format", "channels_last") == "channels_last"


def _pointwise(layer: Any) -> bool:
    return layer.activation is None or layer.activation.__name__ in POINTWISE


def _by_itself(node: Any) -> bool:
    """Whether a call treats every channel by itself, with as many out as in."""
    layer, layers = node.operation, keras.layers
    (x,), y = node.input_tensors, node.output_tensors[0]
    if isinstance(layer, layers.BatchNormalization):
        return layer.axis in (-1, len(x.shape) - 1)
    if isinstance(layer, layers.DepthwiseConv2D):
        return layer.depth_multiplier == 1 and _channels_last(layer) and _pointwise(layer)
    if isinstance(layer, layers.Activation):
        return _pointwise(layer)
    if isinstance(layer, layers.Reshape):  # row-major: an equal last axis stays the same axis
        return y.shape[-1] == x.shape[-1]
    if isinstance(layer, layers.Rescaling):
        return np.ndim(layer.scale) == 0 and np.ndim(layer.offset) == 0
    if isinstance(layer, WITHOUT_WEIGHTS):
        return _channels_last(layer)
    # `x + 3.0` and `x * (1 / 6)`, as keras.applications writes MobileNetV3's hard sigmoid
    scalars = [a for a in node.arguments.args if a is not x]
    plain = not isinstance(layer, keras.Layer) and type(layer).__name__ in ("Add", "Multiply")
    return plain and all(isinstance(a, int | float) for a in scalars)


def _mixes(layer: Any) -> bool:
    """Whether a layer reads all channels of its input for each of its output."""
    if type(layer) is keras.layers.Conv2D:
        return layer.groups == 1 and _channels_last(layer)
    return type(layer) is keras.layers.Dense


class _Spaces:
    """Sets of channels, found by following tensors and joined where a product ties them."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}
        self._of: dict[int, int] = {}
        self._held: list[Any] = []

    def of(self, tensor: Any) -> int:
        """The set that a tensor's last axis is: a number that later joins may change."""
        space = self._of.setdefault(id(tensor), id(tensor))
        while (parent := self._parent.setdefault(space, space)) != space:
            space = parent
        return space

    def join(self, one: Any, other: Any) -> None:
        into, gone = self.of(one), self.of(other)
        self._parent[gone] = into

    def hold(self, *tensors: Any) -> None:
        self._held += tensors

    def held(self) -> set[int]:
        return {self.of(tensor) for tensor in self._held}


def _follow(node: Any, spaces: _Spaces) -> None:
    """Note what one call, of a layer that is called once, does to channels."""
    inputs, outputs = node.input_tensors, node.output_tensors
    if _mixes(node.operation):
        if not _pointwise(node.operation):
            spaces.hold(outputs[0])
    elif len(inputs) == 1 and len(outputs) == 1 and _by_itself(node):
        spaces.join(inputs[0], outputs[0])
    elif len(inputs) == 2 and type(node.operation).__name__ == "Multiply":
        for tensor in inputs:
            if tensor.shape[-1] == outputs[0].shape[-1]:
                spaces.join(tensor, outputs[0])
            else:  # one gate for all channels
                spaces.hold(tensor)
    else:
        spaces.hold(*inputs, *outputs)


def removable_groups(model: Any, at_least: int = 9) -> list[Group]:
    """The groups of a flat functional model, from the input on.

    Args:
        model: Keras 3, channels last. A model within it holds its channels fast.
        at_least: channels that a group has; smaller ones are left out.

    Raises:
        CompressionError: the model is not functional.
    """
    calls = [node for node in nodes(model) if not node.is_input]
    times = Counter(id(node.operation) for node in calls)
    spaces = _Spaces()
    spaces.hold(*model.inputs, *model.outputs)
    for node in calls:
        if times[id(node.operation)] == 1:
            _follow(node, spaces)
        else:  # a shared layer has one kernel for several sets of channels
            spaces.hold(*node.input_tensors, *node.output_tensors)
    held = spaces.held()
    members: dict[int, tuple[list[Any], list[Any], list[Any]]] = {}
    for node in calls:
        space = spaces.of(node.output_tensors[0])
        producers, followers, _ = members.setdefault(space, ([], [], []))
        if _mixes(node.operation):
            producers.append(node)
            source = spaces.of(node.input_tensors[0])
            members.setdefault(source, ([], [], []))[2].append(node)
        else:
            followers.append(node)

    def named(calls: Sequence[Any]) -> tuple[str, ...]:
        return tuple(node.operation.name for node in calls)

    groups = []
    for space, (producers, followers, consumers) in members.items():
        convolves = any(isinstance(node.operation, keras.layers.Conv2D) for node in producers)
        if space in held or not convolves or not consumers:
            continue
        channels = int(producers[0].output_tensors[0].shape[-1])
        if channels >= at_least:
            names = named(producers)
            groups.append(Group(names[0], channels, names, named(followers), named(consumers)))
    return groups


def costs(model: Any, groups: Sequence[Group]) -> list[Cost]:
    """Multiply-accumulates, counted as `zoo.cost` does, layer by layer, and what shrinks them."""
    along: dict[str, list[str]] = {}
    for group in groups:
        for name in (*group.producers, *group.followers, *group.consumers):
            along.setdefault(name, []).append(group.name)
    rows = []
    for node in nodes(model):
        kernel = getattr(node.operation, "kernel", None)
        if kernel is not None:
            positions = math.prod(node.output_tensors[0].shape[1:-1])
            touched = tuple(along.get(node.operation.name, ()))
            depthwise = isinstance(node.operation, keras.layers.DepthwiseConv2D)
            rows.append(Cost(positions * math.prod(kernel.shape), touched, depthwise))
    return rows


def keep_channels(model: Any, kept: Mapping[str, np.ndarray]) -> Any:
    """A new network with only these channels, its layers and weights otherwise the same.

    Args:
        model: as for `removable_groups`; stays as it is.
        kept: ascending indices, int `[k]`, by a group's name; other groups stay whole.

    Returns:
        A network of stock layers with the same names, not compiled. Weights of kept channels are
        equal bit for bit.

    Raises:
        CompressionError: a name is that of no group.
    """
    groups = {group.name: group for group in removable_groups(model, at_least=1)}
    if fast := sorted(kept.keys() - groups.keys()):
        raise CompressionError(f"{model.name}: {', '.join(fast)} cannot lose channels")
    read: dict[str, np.ndarray] = {}
    written: dict[str, np.ndarray] = {}
    for name, index in kept.items():
        written |= dict.fromkeys((*groups[name].producers, *groups[name].followers), index)
        read |= dict.fromkeys(groups[name].consumers, index)

    def resized(layer: Any) -> Any:
        config = layer.get_config()
        if layer.name in written:
            size = len(written[layer.name])
            for key in {"filters", "units"} & config.keys():
                config[key] = size
            if config.get("target_shape", (-1,))[-1] != -1:
                config["target_shape"] = (*config["target_shape"][:-1], size)
        return type(layer).from_config(config)

    # Cloning would compile again what is compiled, with losses that Keras cannot find by name.
    uncompiled = keras.Model(model.input, model.output, name=model.name)
    slim = keras.models.clone_model(uncompiled, clone_function=resized)
    for layer in slim.layers:
        weights = model.get_layer(layer.name).get_weights()
        if _mixes(layer) and layer.name in read:
            weights[0] = np.take(weights[0], read[layer.name], axis=-2)
        if layer.name in written:
            # A depthwise kernel is [h, w, channels, 1]; all else ends with its channels.
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            axes = [-2 if depthwise and w.ndim == 4 else -1 for w in weights]
            index = written[layer.name]
            weights = [np.take(w, index, axis=a) for w, a in zip(weights, axes, strict=True)]
        layer.set_weights(weights)
    return slim
