"""`skinedge compress RUN --data DIR --out DIR --recipe NAME`"""

from __future__ import annotations

import gzip
import math
import os
import re
import sys
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from skinedge.errors import UsageError

from .options import Json
from .progress import lines, said_in_a_line
from .stations import station

__all__ = ["compress"]


class Choice(str, Enum):
    """Which training images calibrate."""

    random = "random"
    balanced = "balanced"


class Ranges(str, Enum):
    """How activation ranges follow from what the images give."""

    min_max = "min-max"
    percentile = "percentile"
    mse = "mse"


TIMED_RUNS = 50
FIGURES = ("balanced_accuracy", "macro_auroc", "melanoma_auroc")


def _list(json_lines: bool) -> None:
    """What `--list` prints."""
    recipes = station("compress.recipe", "compress")
    for name, about in recipes.LISTED.items():
        if json_lines:
            print(station("train.evaluate", "compress").to_json(asdict(recipes.parse(name))))
        else:
            print(f"{name:28} {about}")
    if not json_lines:
        print(
            "Other numbers work too: slimN keeps N % of the MACs, pruneN zeroes N % of each "
            "layer's weights (pruneNglobal: of all together; pruneNconstant: at once), clusterN "
            "leaves N weights a layer."
        )


def _costs(done: Any) -> list[dict[str, Any]]:
    """What both files cost: bytes, bytes gzipped, and time at one thread, timed in turn."""
    paths = [done.float32, done.file]
    timed = station("benchmarks.latency", "compress").measure(paths, threads=1, runs=TIMED_RUNS)
    return [
        {
            "bytes": path.stat().st_size,
            "gzipped": len(gzip.compress(path.read_bytes(), 9, mtime=0)),
            "ms": latency.median_ms,
        }
        for path, latency in zip(paths, timed, strict=True)
    ]


def _text(done: Any, costs: list[dict[str, Any]]) -> str:
    ours, full = done.card["metrics"], done.card["float32_metrics"]
    lines = [
        f"{path}: {cost['bytes'] / 1e6:.2f} MB, {cost['gzipped'] / 1e6:.2f} MB gzipped, "
        f"{cost['ms']:.2f} ms at one thread ({cost['ms'] / costs[0]['ms']:.2f} x float32)"
        for path, cost in zip((done.float32, done.file), costs, strict=True)
    ]
    recipes, oldest = station("compress.recipe", "compress"), done.card["oldest_tflite"]
    if oldest != recipes.ANDROID_TFLITE:
        lines.append(
            f"needs TensorFlow Lite {oldest} or LiteRT: Android's last on Maven Central, "
            f"{recipes.ANDROID_TFLITE}, refuses it or answers wrongly"
        )
    lines += [f"{name}: {what['summary']}" for name, what in done.steps.items()]
    lines.append(f"test split, {ours['images']} images:         float32     this")
    lines += [
        f"  {key.replace('_', ' '):30} {full[key]:9.4f} {ours[key]:8.4f}"
        for key in FIGURES
        if not math.isnan(ours[key])  # melanoma, where it is none of the classes
    ]
    lines.append(f"  same class named on {done.test.agreement:.2%} of images")
    if not math.isnan(done.test.attention_correlation):
        lines.append(f"  attention map correlation {done.test.attention_correlation:.4f}")
    lines.append(f"gate, validation split, {done.verdict.images} images:")
    lines.append(done.verdict.table())
    return "\n".join(lines)


def _remedy(how: Any) -> str:
    """What to try when post-training int8 lost too much."""
    if how.precision != "int8" or how.qat is not None or how.ranges != "min-max":
        return ""
    return "; try --ranges percentile, or train with the rounding: a recipe with qat"


def _json(done: Any, costs: list[dict[str, Any]]) -> str:
    return str(
        station("train.evaluate", "compress").to_json(
            {
                "file": str(done.file),
                "float32": str(done.float32),
                "cost": costs[1],
                "float32_cost": costs[0],
                "test": asdict(done.test),
                "gate": done.verdict.describe(),
                "steps": done.steps,
                "card": done.card,
            }
        )
    )


def compress(
    run: Annotated[
        Path | None, typer.Argument(help="A run folder of skinedge train.", show_default=False)
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="The dataset it was trained on.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the .tflite files.", show_default=False)
    ] = None,
    recipe: Annotated[
        str, typer.Option(help="What to do; skinedge compress --list shows names.")
    ] = "int8",
    list_recipes: Annotated[
        bool, typer.Option("--list", help="List the compression recipes and stop.")
    ] = False,
    representative: Annotated[
        int | None, typer.Option(min=1, help="Training images that calibrate activation ranges.")
    ] = None,
    choice: Annotated[
        Choice, typer.Option(help="Which images those are: as they come, or each class in turn.")
    ] = Choice.random,
    ranges: Annotated[
        Ranges, typer.Option(help="How they decide the ranges; min-max clips nothing.")
    ] = Ranges.min_max,
    float_layers: Annotated[
        str,
        typer.Option(help="Pattern of more layers that stay float32 in an int8 file."),
    ] = "",
    bias: Annotated[
        int | None,
        typer.Option(min=0, help="Training images that correct the biases of int8; 0: none."),
    ] = None,
    refit: Annotated[
        int | None,
        typer.Option(min=0, help="Training images that refit the last layer to int8; 0: none."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of fine-tuning, for each step that has any.")
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Hand the file over even if the gate refuses it.")
    ] = False,
    json_lines: Json = False,
) -> None:
    """Prune, quantize and export a trained run, and refuse the result if it lost too much.

    The file is compared with the float32 model on the validation split: accuracy, sensitivity,
    and whether it still looks where it looked. If that fails, the exit code is 1 and the file is
    named .rejected. Both files are evaluated on the test split. Fine-tuning learns from the
    float32 model on the training split. Needs skinedge[compress].

    Examples:

      skinedge compress --list

      skinedge compress runs/edge --data ham10000/ --out runs/edge/compressed

      skinedge compress runs/edge --data ham10000/ --out small/ --recipe slim60-int8
    """
    if list_recipes:
        _list(json_lines)
        return
    if run is None or not data or out is None:
        raise UsageError("skinedge compress needs RUN, --data DIR and --out DIR; or --list")
    recipes = station("compress.recipe", "compress")
    how = recipes.parse(recipe)
    if (bias or refit) and (how.qat is not None or how.precision != "int8"):
        raise UsageError(f"--bias and --refit are for int8 after training, not for {recipe}")
    if float_layers and not how.calibrates:
        raise UsageError(f"--float-layers is for int8 and int16x8 after training, not for {recipe}")
    if not how.calibrates and (choice is not Choice.random or ranges is not Ranges.min_max):
        raise UsageError(
            f"--choice and --ranges are for int8 and int16x8 after training, not for {recipe}"
        )
    if representative and not how.images:
        raise UsageError(f"--representative is for int8 and int16x8, not for {recipe}")
    if epochs is not None and not how.steps():
        raise UsageError(f"--epochs is for steps that fine-tune, and {recipe} has none")
    try:
        re.compile(f"(?:{float_layers})")  # as it will stand, behind other patterns
    except re.error as error:
        raise UsageError(f"--float-layers {float_layers!r}: no pattern: {error}") from error
    how = replace(how, choice=choice.value, ranges=ranges.value, float_layers=float_layers)
    given = {"representative": representative, "bias": bias, "refit": refit}
    how = replace(how, **{key: value for key, value in given.items() if value is not None})
    if epochs is not None:
        how = how.with_epochs(epochs)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    pipeline = station("compress.pipeline", "compress")
    runs = station("train.runs", "compress")
    trained = runs.Run(run)
    with said_in_a_line():
        images = runs.data_of(trained, *data)
    with redirect_stdout(sys.stderr):  # Keras and the converter print where results belong
        done = pipeline.compress(trained, images, out, how, lines(), accept)
        costs = _costs(done)
    print(_json(done, costs) if json_lines else _text(done, costs))
    if done.file.suffix == ".rejected":
        print(f"skinedge: the gate refused {done.file}{_remedy(how)}", file=sys.stderr)
        raise typer.Exit(1)
