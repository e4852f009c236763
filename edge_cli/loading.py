"""Load a classifier for a command, without the interpreter's own chatter."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skinedge.classifier import Classifier

__all__ = ["load_classifier"]


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """LiteRT announces its delegate on the process's stderr, and offers no switch for it.

    What goes wrong it also raises, so nothing is lost.
    """
    sys.stderr.flush()
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def load_classifier(model: Path | None, labels: Path | None, threads: int | None) -> Classifier:
    """`Classifier.load` for the command line; see there."""
    with _quiet_stderr():
        classifier = Classifier.load(model, labels=labels, threads=threads)
    if classifier.file.card is None:
        print(
            f"skinedge: warning: {model} carries no skinedge.json: no thresholds, no malignant "
            "probability, no attention map",
            file=sys.stderr,
        )
    return classifier
