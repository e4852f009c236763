"""Options that several commands share, so that they read alike everywhere."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Data", "Json", "Labels", "Model", "Part", "Threads"]


class Part(str, Enum):
    """Which images of a set to take."""

    all = "all"
    train = "train"
    validation = "validation"
    test = "test"


Model = Annotated[
    Path | None,
    typer.Option("--model", "-m", help="A .tflite model; the embedded one if not given."),
]
Labels = Annotated[
    Path | None,
    typer.Option(help="Labels, one a line, for a .tflite that carries none."),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, max=64, help="Interpreter threads; by default all cores up to four."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
Data = Annotated[
    list[Path],
    typer.Option(
        help="Labelled images: HAM10000's folder, a folder with one CSV table (image_id,dx or "
        "one-hot), or class-named folders. Given again, all of them are one set."
    ),
]
