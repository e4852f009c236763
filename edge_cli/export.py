"""`skinedge export RUN --data DIR --out DIR`"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .options import Data, Json
from .stations import station

__all__ = ["export"]

FIGURES = ("balanced_accuracy", "macro_auroc", "melanoma_auroc")


def _text(done: Any) -> str:
    int8, full = done.card["metrics"], done.card["float32_metrics"]
    lines = [
        f"{done.float32}: {done.float32.stat().st_size / 1e6:.2f} MB",
        f"{done.int8}: {done.int8.stat().st_size / 1e6:.2f} MB",
        f"test split, {int8['images']} images:   float32     int8",
    ]
    lines += [
        f"  {key.replace('_', ' '):24} {full[key]:9.4f} {int8[key]:8.4f}"
        for key in FIGURES
        if not math.isnan(int8[key])  # melanoma, where it is none of the classes
    ]
    lines.append(f"  same class named on {done.agreement:.2%} of images")
    if not math.isnan(done.attention_correlation):
        lines.append(f"  attention map correlation {done.attention_correlation:.4f}")
    return "\n".join(lines)


def export(
    run: Annotated[Path, typer.Argument(help="A run folder of skinedge train.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the .tflite files.")],
    representative: Annotated[
        int, typer.Option(min=1, help="Training images that calibrate activation ranges.")
    ] = 128,
    refit: Annotated[
        int,
        typer.Option(min=0, help="Training images that refit the last layer to int8; 0: none."),
    ] = 2000,
    json_lines: Json = False,
) -> None:
    """Quantize a trained run to int8 and write it with its metadata, beside its float32 form.

    Decision thresholds are set on the validation split with the int8 file itself, and both files
    are evaluated on the test split. Needs skinedge[compress].

    Example:

      skinedge export runs/edge --data ham10000/ --out runs/edge/export
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    exporter = station("compress.export", "compress")
    evaluation = station("train.evaluate", "compress")
    runs = station("train.runs", "compress")
    trained = runs.Run(run)
    done = exporter.export(
        trained,
        runs.data_of(trained, data),
        out,
        representative,
        refit,
        progress=lambda step: print(step, file=sys.stderr),
    )
    if json_lines:
        print(
            evaluation.to_json(
                {
                    "int8": str(done.int8),
                    "float32": str(done.float32),
                    "agreement": done.agreement,
                    "attention_correlation": done.attention_correlation,
                    "card": done.card,
                }
            )
        )
    else:
        print(_text(done))
