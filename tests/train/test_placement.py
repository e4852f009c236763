"""Where attention blocks stand, and what their layers are called there."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import keras
import numpy as np
import pytest

from skinedge.errors import UsageError
from skinedge.train.recipes import RECIPES
from skinedge.train.zoo.attention import ATTENTION
from skinedge.train.zoo.backbones import BACKBONES
from skinedge.train.zoo.build import build
from skinedge.train.zoo.placement import Attend, placed
from skinedge.train.zoo.spec import ModelSpec, Placed

LITE = "efficientnet-lite0"
# CBAM has a spatial block within, and their layers would have the same names.
PAIRS = [pair for pair in permutations(ATTENTION, 2) if pair != ("cbam", "spatial")]


def stages(first: int, last: int) -> tuple[str, ...]:
    return tuple(f"stage{stage}" for stage in range(first, last + 1))


# By hand, from the table of the zoo: block, backbone, places.
@pytest.mark.parametrize(
    ("block", "backbone", "places"),
    [
        ("soft", LITE, ("final",)),
        ("soft", "resnet50", ("final",)),
        ("soft-published", "vgg16", ("final",)),
        ("cbam", LITE, stages(1, 7)),
        ("cbam", "resnet50", stages(1, 4)),
        ("sge", "efficientnet-b3", stages(2, 7)),
        ("sge", "densenet201", stages(2, 4)),
        ("spatial", "mobilenet-v3-large", stages(2, 5)),
        ("s2", "efficientnet-b3", ("stage6",)),
        ("s2", "vgg16", ("stage4",)),
        ("eca", "mobilenet-v3-small", stages(1, 4)),
        ("se", LITE, stages(1, 7)),
    ],
)
def test_default_places(block: str, backbone: str, places: tuple[str, ...]) -> None:
    assert placed(block, backbone) == (Placed(block, places),)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("block", ATTENTION)
def test_every_backbone_has_the_default_places(block: str, backbone: str) -> None:
    (where,) = placed(block, backbone)
    there = (*stages(1, BACKBONES[backbone].stages), "final")
    assert where.after
    assert set(where.after) <= set(there)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_none_is_no_block(backbone: str) -> None:
    assert placed("none", backbone) == ()
    assert ModelSpec(backbone, (), 64).attention_name() == "none"


def test_unknown_names_are_refused_with_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"unknown attention 'sa'; there are: soft, .*, se, none$"):
        placed("sa", LITE)
    with pytest.raises(UsageError, match=f"unknown backbone 'b0'; there are: {LITE}, "):
        placed("soft", "b0")
    with pytest.raises(UsageError, match=r"unknown attention 'sa'; there are: soft, .*, se$"):
        build(ModelSpec(LITE, (Placed("sa", ("final",)),), 32), keras)


@pytest.mark.parametrize(
    ("backbone", "after", "message"),
    [
        (LITE, ("stage8",), f"{LITE} has no place stage8 for attention; it has stage1 to stage7"),
        (LITE, ("stage2", "head"), f"{LITE} has no place head for attention"),
        ("vgg16", ("stage6", "stage1"), "vgg16 has no place stage6 .*; it has stage1 to stage5"),
    ],
)
def test_a_place_the_backbone_lacks_is_refused(
    backbone: str, after: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        build(ModelSpec(backbone, (Placed("se", after),), 32), keras)
    assert "\n" not in str(caught.value)


def attended(*blocks: Placed, place: str = "stage3") -> tuple[Any, Attend]:
    attend = Attend(keras, ModelSpec(LITE, blocks, 64))
    features = keras.Input((4, 6, 16))
    return keras.Model(features, attend(features, place)), attend


@pytest.mark.parametrize("place", ["stage3", "final"])
@pytest.mark.parametrize("blocks", PAIRS, ids="+".join)
def test_two_blocks_at_one_place(blocks: tuple[str, str], place: str) -> None:
    model, attend = attended(*(Placed(block, (place,)) for block in blocks), place=place)
    names = [layer.name for layer in model.layers]
    assert len(set(names)) == len(names)
    prefix = "attention" if place == "final" else "attention_stage3"
    assert all(name.startswith(prefix) for name in names[1:])
    assert any(name.startswith(f"{prefix}_{blocks[1]}_") for name in names)
    # Each block is as large as alone: the second reads what the first returned.
    counts = [len(attended(Placed(b, (place,)), place=place)[0].weights) for b in blocks]
    assert len(model.weights) == sum(counts)
    assert attend.used == {place}


def test_blocks_that_cannot_stand_together_are_refused() -> None:
    both = (Placed("cbam", ("stage3",)), Placed("spatial", ("stage3",)))
    with pytest.raises(
        UsageError, match=r"cbam\+spatial do not go together at one place"
    ) as caught:
        build(ModelSpec(LITE, both, 32), keras)
    assert "\n" not in str(caught.value)


def test_blocks_stand_in_the_order_of_the_spec() -> None:
    """A map of the second block has the grid that the first one left."""
    soft, spatial = Placed("soft-published", ("stage3",)), Placed("spatial", ("stage3",))
    for blocks, sizes in (((soft, spatial), [24, 6]), ((spatial, soft), [24, 24])):
        _, attend = attended(*blocks)
        assert [attention.shape[1] for attention in attend.maps] == sizes


def test_other_places_are_left_as_they_are() -> None:
    attend = Attend(keras, ModelSpec(LITE, (Placed("se", ("stage3",)),), 64))
    features = keras.Input((4, 6, 16))
    assert attend(features, "stage2") is features
    assert attend.used == set()
    assert attend.maps == []


def test_layers_carry_the_name_of_their_stage() -> None:
    model = build(ModelSpec(LITE, placed("se", LITE), 32), keras)
    names = {layer.name for layer in model.layers if layer.name.startswith("attention")}
    parts = ("average", "squeeze", "excite", "apply")
    assert names == {f"attention_{stage}_{part}" for stage in stages(1, 7) for part in parts}
    channels = [
        model.get_layer(f"attention_{stage}_apply").output.shape[-1] for stage in stages(1, 7)
    ]
    assert channels == [16, 24, 40, 80, 112, 192, 320]  # EfficientNet-B0's stages


def test_the_map_of_a_model_is_its_deepest() -> None:
    model = build(ModelSpec(LITE, placed("cbam", LITE), 64), keras)
    assert [output.shape for output in model.outputs] == [(None, 7), (None, 2 * 2)]
    assert model.outputs[1] is model.get_layer("attention_stage7_spatial_map").output
    blocks = (*placed("cbam", LITE), *placed("s2", LITE))  # S2 has no map
    model = build(ModelSpec(LITE, blocks, 64), keras)
    assert model.outputs[1] is model.get_layer("attention_stage7_spatial_map").output
    model = build(ModelSpec(LITE, placed("se", LITE), 64), keras)
    assert [output.shape for output in model.outputs] == [(None, 7)]


def test_cbam_and_s2_in_efficientnet_b3() -> None:
    """The recipe of Nazari & Garcia 2025: CBAM after every stage, S2 before the last."""
    spec = RECIPES["going-smaller-s2mlp-cbam"].spec
    cbam, s2 = spec.attention
    assert (cbam.block, cbam.after) == ("cbam", stages(1, 7))
    assert (s2.block, s2.after) == ("s2", ("stage6",))
    assert spec.attention_name() == "cbam+s2"
    model = build(replace(spec, input_size=96), keras)
    assert model.name == "efficientnet_b3_cbam_s2"
    names = [layer.name for layer in model.layers]
    for stage in stages(1, 7):
        assert f"attention_{stage}_spatial_gate" in names
    shifted = [name for name in names if name.endswith("_s2_residual")]
    assert shifted == ["attention_stage6_s2_residual"]
    # CBAM first, S2 on its result, then the last stage.
    order = ["attention_stage6_spatial_apply", *shifted, "block7a_expand_conv"]
    assert sorted(order, key=names.index) == order
    assert [output.shape for output in model.outputs] == [(None, len(spec.classes)), (None, 9)]
    pixels = np.random.default_rng(0).uniform(-1, 1, (1, 96, 96, 3)).astype(np.float32)
    logits, attention = (np.asarray(out) for out in model(pixels, training=False))
    assert np.isfinite(logits).all()
    assert ((attention > 0) & (attention < 1)).all()
