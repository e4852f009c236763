"""`skinedge predict IMAGE...`"""

from __future__ import annotations

import glob
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skinedge.errors import ImageError, UsageError

from .options import Json, Labels, Model, Threads
from .words import decision_line

if TYPE_CHECKING:
    from skinedge import Prediction

__all__ = ["predict"]

STDIN = "-"


def _expand(arguments: list[str]) -> list[str]:
    """Files as they are, images below folders, matches of globs the shell left alone."""
    from skinedge.image import images_below

    sources: list[str] = []
    for argument in arguments:
        if not argument:
            raise UsageError("an empty image name; give a file, a folder, a glob or -")
        if os.path.isdir(argument):  # noqa: PTH112 (Path.is_dir raises for an endless name)
            found = [str(path) for path in images_below(argument)]
            if not found:
                raise UsageError(f"{argument}: no images in this folder")
            sources += found
        elif argument != STDIN and not os.path.isfile(argument) and glob.has_magic(argument):  # noqa: PTH113
            matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207
            if not matches:
                raise UsageError(f"{argument}: matches no file")
            sources += _expand(matches)
        else:
            sources.append(argument)  # one that is missing is reported when its turn comes
    return sources


def _text(prediction: Prediction, top: int | None) -> str:
    lines = [f"{prediction.source}  ({prediction.timings.total_ms:.0f} ms)"]
    for label in prediction.labels[:top]:
        bar = "█" * round(20 * label.probability)
        lines.append(f"  {label.probability:6.1%}  {label.code:6} {label.name:46} {bar}".rstrip())
    if prediction.malignant_probability is not None:
        lines.append(f"  {prediction.malignant_probability:6.1%}  malignant classes together")
    lines += [f"  {decision_line(decision)}" for decision in prediction.decisions]
    return "\n".join(lines)


def _heatmap_paths(heatmap: Path, sources: list[str]) -> list[Path]:
    """The file itself for one image; in a folder, a file for each, none over another."""
    if heatmap.suffix:
        if len(sources) > 1:
            raise UsageError(f"{heatmap}: several images need a folder for their heatmaps")
        if heatmap.suffix.lower() != ".png" or heatmap.is_dir():
            raise UsageError(f"{heatmap}: a heatmap is a .png file, or goes into a folder")
        return [heatmap]
    stems = ["stdin" if source == STDIN else Path(source).stem for source in sources]
    seen: Counter[str] = Counter()
    paths = []
    for stem in stems:
        seen[stem] += 1
        number = f"-{seen[stem]}" if seen[stem] > 1 else ""
        paths.append(heatmap / f"{stem}{number}-attention.png")
    return paths


def predict(
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE...", help="Image files, folders, globs, or - for stdin."),
    ],
    json_lines: Json = False,
    top: Annotated[int | None, typer.Option(min=1, help="Show only so many labels.")] = None,
    model: Model = None,
    labels: Labels = None,
    threads: Threads = None,
    heatmap: Annotated[
        Path | None,
        typer.Option(help="Write the attention overlay: a .png file, or a folder for several."),
    ] = None,
) -> None:
    """Classify skin-lesion images; nothing leaves this machine.

    An image that cannot be read is reported and the others are still answered; the exit code is
    then 2.

    Examples:

      skinedge predict lesion.jpg

      skinedge predict photos/ --json --top 1

      skinedge predict lesion.jpg --heatmap overlay.png
    """
    from skinedge import DISCLAIMER
    from skinedge.image import read

    from .loading import load_classifier

    sources = _expand(images)
    heatmaps = _heatmap_paths(heatmap, sources) if heatmap else [None] * len(sources)
    classifier = load_classifier(model, labels, threads)
    answered = failed = False
    for source, overlay in zip(sources, heatmaps, strict=True):
        name = "<stdin>" if source == STDIN else source
        try:
            image = sys.stdin.buffer.read() if source == STDIN else source
            prediction = classifier.predict(image, name)
            picture = read(image, name) if overlay else None
        except ImageError as error:
            failed = True
            print(f"skinedge: {error}", file=sys.stderr)
            if json_lines:
                print(json.dumps({"source": name, "error": str(error)}), flush=True)
            continue
        if overlay and picture is not None:
            from .overlays import write_overlay

            write_overlay(overlay, picture, prediction)
        answered = True
        text = json.dumps(prediction.to_json(top)) if json_lines else _text(prediction, top)
        print(text, flush=True)
    if answered:
        print(DISCLAIMER, file=sys.stderr if json_lines else sys.stdout)
    if failed:
        raise typer.Exit(2)
