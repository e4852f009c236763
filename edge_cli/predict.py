"""`skinedge predict IMAGE...`"""

from __future__ import annotations

import json
import sys
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
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


def _expand(arguments: list[str]) -> list[str]:
    """Files as they are, images below folders, matches of globs the shell left alone."""
    sources: list[str] = []
    for argument in arguments:
        path = Path(argument)
        if argument == STDIN or path.is_file():
            sources.append(argument)
        elif path.is_dir():
            found = sorted(str(f) for f in path.rglob("*") if f.suffix.lower() in SUFFIXES)
            if not found:
                raise UsageError(f"{argument}: no images in this folder")
            sources += found
        elif any(character in argument for character in "*?["):
            anchor = Path(path.anchor)
            matches = sorted(str(f) for f in anchor.glob(str(path.relative_to(anchor))))
            if not matches:
                raise UsageError(f"{argument}: matches no file")
            sources += _expand(matches)
        else:
            sources.append(argument)  # reported as missing when its turn comes
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


def _heatmap_path(heatmap: Path, source: str, several: bool) -> Path:
    name = "stdin" if source == STDIN else Path(source).stem
    return heatmap / f"{name}-attention.png" if several else heatmap


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
        typer.Option(help="Write the attention overlay: a PNG, or a folder for several images."),
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

    from .loading import load_classifier

    sources = _expand(images)
    several = len(sources) > 1
    if heatmap and several and heatmap.suffix:
        raise UsageError(f"{heatmap}: several images need a folder for their heatmaps, not a file")
    classifier = load_classifier(model, labels, threads)
    failed = False
    for source in sources:
        try:
            image = sys.stdin.buffer.read() if source == STDIN else source
            prediction = classifier.predict(image, "<stdin>" if source == STDIN else source)
        except ImageError as error:
            failed = True
            print(f"skinedge: {error}", file=sys.stderr)
            if json_lines:
                print(json.dumps({"source": source, "error": str(error)}), flush=True)
            continue
        if heatmap:
            from .overlays import write_overlay

            write_overlay(_heatmap_path(heatmap, source, several), image, prediction)
        text = json.dumps(prediction.to_json(top)) if json_lines else _text(prediction, top)
        print(text, flush=True)
    print(DISCLAIMER, file=sys.stderr if json_lines else sys.stdout)
    if failed:
        raise typer.Exit(2)
