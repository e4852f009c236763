"""What a network costs: parameters and multiply-accumulates."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["BYTES_PER_WEIGHT", "multiply_accumulates", "parameters"]

BYTES_PER_WEIGHT = 4  # float32


def parameters(model: Any) -> int:
    """Weights that a deployed file holds: all of them, moving statistics included."""
    return int(model.count_params())


def multiply_accumulates(model: Any) -> int:
    """Multiply-accumulates of convolutions and dense layers for one image.

    A kernel is applied once at every output position (a depthwise one channel by channel), and
    once for every place where a shared layer stands. Pooling, gates and sums are not counted, as
    is the custom.
    """
    total = 0
    for layer in model.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is None:
            continue
        for node in layer._inbound_nodes:
            (output,) = node.output_tensors
            total += math.prod(output.shape[1:-1]) * math.prod(kernel.shape)
    return total
