"""Layers share as many values as asked for, and pruned weights stay zero."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from small import small
from tiny import TINY

from skinedge.compress.cluster import cluster, unique_values
from skinedge.compress.prune import kernels
from skinedge.compress.recipe import Cluster, FineTune
from skinedge.errors import CompressionError
from skinedge.train.datasets import LabelledImages, open_dataset, split_by_lesion

TUNE = FineTune(2, images_per_epoch=64)
CLUSTERED = {"conv1", "head"}


@pytest.fixture(scope="module")
def train(ham10000: Path) -> LabelledImages:
    return split_by_lesion(open_dataset(ham10000), seed=1).train


def test_few_values_and_the_rest_trains(train: LabelledImages) -> None:
    model = small()
    clustered, report = cluster(model, model, train, TINY, Cluster(8, TUNE), seed=1)
    assert isinstance(clustered, keras.Model)
    assert set(report.values) == CLUSTERED
    before, after = unique_values(model), unique_values(clustered)
    for name, count in after.items():
        if name in CLUSTERED:
            assert 4 < count <= 8 < before[name]
        else:
            assert count > 0.9 * before[name]
    # Values are near the weights they stand for: as k-means leaves them, not at random.
    for name in CLUSTERED:
        error = kernels(clustered)[name] - kernels(model)[name]
        assert error.std() < 0.35 * kernels(model)[name].std()
    assert not np.array_equal(kernels(clustered)["logits"], kernels(model)["logits"])


def test_zeros_stay(train: LabelledImages) -> None:
    model = small()
    for name in CLUSTERED:
        kernel = kernels(model)[name].copy()
        kernel[np.abs(kernel) < np.quantile(np.abs(kernel), 0.6)] = 0
        model.get_layer(name).set_weights([kernel])
    clustered, _ = cluster(model, model, train, TINY, Cluster(8, TUNE), seed=1)
    for name in CLUSTERED:
        zeros = kernels(model)[name] == 0
        assert np.all(kernels(clustered)[name][zeros] == 0)
        assert len(np.unique(kernels(clustered)[name])) <= 8


def test_too_few_clusters(train: LabelledImages) -> None:
    with pytest.raises(CompressionError, match="at least 3"):
        cluster(small(), small(), train, TINY, Cluster(2), seed=1)
