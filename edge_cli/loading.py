"""Load a classifier for a command, without the interpreter's own chatter."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from skinedge.classifier import Classifier

__all__ = ["chatter_elsewhere", "load_classifier"]


@contextmanager
def chatter_elsewhere() -> Iterator[TextIO]:
    """Close the process's stderr to what libraries write there; yields one for our own words.

    LiteRT announces its delegate on it, TensorFlow much more, and neither offers a switch for
    all of it. What goes wrong they also raise, so nothing is lost.
    """
    sys.stderr.flush()
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    with os.fdopen(kept, "w", encoding="utf-8", errors="replace") as ours:
        try:
            yield ours
        finally:
            ours.flush()
            os.dup2(kept, 2)
            os.close(null)


def load_classifier(model: Path | None, labels: Path | None, threads: int | None) -> Classifier:
    """`Classifier.load` for the command line; see there."""
    with chatter_elsewhere():
        classifier = Classifier.load(model, labels=labels, threads=threads)
    if classifier.file.card is None:
        pixels = "" if classifier.network.raw_pixels else "; its input is (pixel - 127) / 128"
        print(
            f"skinedge: warning: {model} carries no skinedge.json: no thresholds, no malignant "
            f"probability, no attention map{pixels}",
            file=sys.stderr,
        )
    return classifier
