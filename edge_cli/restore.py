"""`skinedge restore FILE --data DIR --out RUN`"""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from skinedge.model_file import read_model

from .options import Data
from .stations import station

__all__ = ["restore"]


def restore(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the run.", show_default=False)],
    model: Annotated[
        Path | None,
        typer.Argument(
            help="An int8 or float32 .tflite of skinedge compress; the embedded one if not given.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a model file a run folder again, to compress it otherwise or to train on.

    Of an int8 file the weights stay rounded to 255 values each; answers are the file's but for
    what quantized activations change. Needs skinedge[compress].

    Examples:

      skinedge restore --data ham10000/ --out runs/edge

      skinedge restore edge-int8.tflite --data ham10000/ --out runs/edge
    """
    file = read_model(model)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    restoring = station("compress.restore", "compress")
    with redirect_stdout(sys.stderr):
        run = restoring.restore(file, data, out)
    print(f"{run.folder}: compress it, or train on with --weights {run.folder}")
