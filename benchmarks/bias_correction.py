"""Does bias correction pay, and beside the refit of the last layer?

    python -m skinedge.benchmarks.bias_correction runs/edge --data ham10000/

Rows: int8 as converted; with biases corrected (`compress.bias`); with the last layer refitted
(`compress.refit`); with both, as `skinedge compress` does. All calibrate on the same training
images, and every file answers for the validation split.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from skinedge.benchmarks.command import as_command
from skinedge.benchmarks.int8_forms import command
from skinedge.compress.pipeline import quantized
from skinedge.compress.recipe import Compression

__all__ = ["forms"]


def forms(model: Any, how: Compression, images: Callable[[int], np.ndarray]) -> dict[str, bytes]:
    """The four files.

    Raises:
        CompressionError: the converter refused.
    """
    recipes = {
        "int8 as converted": replace(how, bias=0, refit=0),
        "biases corrected": replace(how, refit=0),
        "last layer refitted": replace(how, bias=0),
        "both": how,
    }
    return {form: quantized(model, recipe, images)[0] for form, recipe in recipes.items()}


if __name__ == "__main__":
    as_command(lambda: command(__doc__, forms))
