"""Weight clustering: the weights of a layer share a few values.

Han et al. 2016 (arXiv 1510.00149, section 3), as tensorflow-model-optimization implements it, on
the tf_keras twin. Which kernels are clustered is decided as for pruning. A file of shared values
is no smaller until it is compressed (gzip, an APK), and no faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tf_keras

from skinedge.errors import CompressionError
from skinedge.train.datasets.images import LabelledImages
from skinedge.train.recipes.recipe import Recipe

from .fine_tune import fine_tune
from .prune import kernels, worth_compressing
from .recipe import Cluster
from .twin import tfmot, twin, untwin

__all__ = ["Clustered", "cluster", "unique_values"]

LEAST = 3  # zero, and one value on either side of it


@dataclass(frozen=True)
class Clustered:
    """What `cluster` did.

    Attributes:
        values: layer name -> different values in its kernel; clustered layers only.
    """

    values: dict[str, int]

    def summary(self) -> str:
        """One line."""
        return f"{len(self.values)} layers of at most {max(self.values.values())} different weights"


def unique_values(model: Any) -> dict[str, int]:
    """Different values in each kernel of a Keras 3 model or a twin, by layer name."""
    return {name: len(np.unique(kernel)) for name, kernel in kernels(model).items()}


def cluster(
    model: Any, teacher: Any, train: LabelledImages, recipe: Recipe, how: Cluster, seed: int
) -> tuple[Any, Clustered]:
    """Cluster, then fine-tune the shared values; zeros of a pruned layer stay zero.

    Values start where weights are dense (k-means++).

    Args:
        model: Keras 3, from `zoo.build` or from `prune`; stays as it is.
        teacher: the float model that `fine_tune` imitates.
        train: the training split.
        recipe: of the run; draws and varies views.
        how: how many values a layer keeps, and fine-tuning; 0 epochs only cluster.
        seed: of draws and dropout.

    Returns:
        (a Keras 3 model of the same layers, what was done).

    Raises:
        CompressionError: a layer has no twin, there is nothing to cluster, or too few clusters.
    """
    if how.clusters < LEAST:
        raise CompressionError(f"{how.clusters} clusters are too few; give at least {LEAST}")
    clustering = tfmot.clustering.keras
    chosen = [name for name in worth_compressing(model) if kernels(model)[name].size > how.clusters]

    def wrapped(layer: Any) -> Any:
        if layer.name not in chosen:
            return layer
        return clustering.cluster_weights(
            layer,
            number_of_clusters=how.clusters,
            cluster_centroids_init=clustering.CentroidInitialization.KMEANS_PLUS_PLUS,
            preserve_sparsity=bool(np.any(layer.get_weights()[0] == 0)),
        )

    tf_keras.utils.set_random_seed(seed)  # k-means++ starts from random weights
    student = tf_keras.models.clone_model(twin(model), clone_function=wrapped)
    if how.tune.epochs:
        fine_tune(tf_keras, student, teacher, train, recipe, how.tune, seed)
    clustered = untwin(clustering.strip_clustering(student), model)
    values = unique_values(clustered)
    return clustered, Clustered({name: values[name] for name in chosen})
