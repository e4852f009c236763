"""B0 out of Lite0's weights says at first what Lite0 says, but for swish."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from draw_lesion import draw

from skinedge.benchmarks.swish_start import lite_as_b0
from skinedge.image import to_input
from skinedge.train.batches import normalise
from skinedge.train.zoo.build import build
from skinedge.train.zoo.spec import ModelSpec
from skinedge.train.zoo.weights import load_imagenet

SIZE = 64


def test_features_are_those_of_lite0(tmp_path: Path) -> None:
    lite_as_b0().save_weights(tmp_path / "b0.weights.h5")
    pictures = normalise(np.stack([to_input(draw(i, 72, 96), SIZE, SIZE) for i in range(4)]))
    seen = {}
    for backbone, file, layers in (
        ("efficientnet-lite0", None, ("stem_bn", "block0_project_bn", "block1_project_bn")),
        (
            "efficientnet-b0",
            tmp_path / "b0.weights.h5",
            ("stem_bn", "block1a_project_bn", "block2a_project_bn"),
        ),
    ):
        model = build(ModelSpec(backbone, (), SIZE), keras)
        load_imagenet(model, backbone, file)
        inner = keras.Model(model.inputs, [model.get_layer(name).output for name in layers])
        seen[backbone] = [np.asarray(x).ravel() for x in inner(pictures)]
    alike = [np.corrcoef(one, other)[0, 1] for one, other in zip(*seen.values(), strict=True)]
    # The stem sees the same pixels but for a small shift; then swish stands where ReLU6 was.
    assert alike[0] > 0.99
    assert min(alike[1:]) > 0.6
