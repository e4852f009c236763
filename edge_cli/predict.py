"""`skinedge predict IMAGE...`"""

from __future__ import annotations

import glob
import io
import json
import os
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
PIECE = 1 << 20


def _expand(arguments: list[str], unread: list[ImageError]) -> list[str]:
    """Files as they are, images below folders, matches of globs the shell left alone.

    What cannot be read in a folder is added to `unread`.
    """
    from skinedge.image_folder import images_below

    sources: list[str] = []
    for argument in arguments:
        if not argument:
            raise UsageError("an empty image name; give a file, a folder, a glob or -")
        if os.path.isdir(argument):  # noqa: PTH112 (Path.is_dir raises for an endless name)
            known = len(unread)
            found = [str(path) for path in images_below(argument, unread.append)]
            if not found and len(unread) == known:
                raise UsageError(f"{argument}: no images in this folder")
            sources += found
        elif argument != STDIN and not os.path.isfile(argument) and glob.has_magic(argument):  # noqa: PTH113
            matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207
            if not matches:
                raise UsageError(f"{argument}: matches no file")
            sources += _expand(matches, unread)
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
    """The file itself for one image; in a folder, a file for each, none over another.

    Raises:
        UsageError: the path is no PNG's and no folder's, one file is for several images, or a
            heatmap would take an image's place.
    """
    if heatmap.suffix and not os.path.isdir(heatmap):  # noqa: PTH112 (as above)
        if len(sources) > 1:
            raise UsageError(f"{heatmap}: several images need a folder for their heatmaps")
        if heatmap.suffix.lower() != ".png":
            raise UsageError(
                f"{heatmap}: a heatmap is a .png file, or goes into a folder; make this folder "
                "first if it is to be one"
            )
        paths = [heatmap]
    else:
        stems = ["stdin" if source == STDIN else Path(source).stem for source in sources]
        paths = [heatmap / f"{name}-attention.png" for name in _distinct(stems)]
    images = {_identity(source) for source in sources} - {None}
    for path in paths:
        if _identity(path) in images:
            raise UsageError(f"{path}: is one of the images; write its heatmap elsewhere")
    return paths


def _distinct(stems: list[str]) -> list[str]:
    """Each stem the first time, then numbered; also where a file system ignores case."""
    taken = {stem.casefold() for stem in stems}
    numbers: dict[str, int] = {}
    names = []
    for stem in stems:
        key, name = stem.casefold(), stem
        repeated = key in numbers
        numbers.setdefault(key, 1)
        while repeated and name.casefold() in taken:
            numbers[key] += 1
            name = f"{stem}-{numbers[key]}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _identity(path: str | Path) -> tuple[int, int] | None:
    """What tells an existing file from all others, under whatever name."""
    try:
        status = os.stat(path)  # noqa: PTH116 (a name may hold a NUL)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _stdin() -> bytes:
    """All of stdin, piece by piece: asked for at once, the limit alone is more than a board has."""
    from skinedge.image import MAX_BYTES

    content = io.BytesIO()
    try:
        while piece := sys.stdin.buffer.read(PIECE):
            content.write(piece)
            if content.tell() > MAX_BYTES:
                raise ImageError(
                    f"<stdin>: is larger than {MAX_BYTES:,} bytes; check that it is an image"
                )
        return content.getvalue()
    except OSError as error:
        raise ImageError(f"<stdin>: cannot be read ({error.strerror}); check it") from None
    except MemoryError:
        raise ImageError(
            "<stdin>: needs more memory than this machine has; make it smaller"
        ) from None


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

    An image that cannot be read, or a heatmap that cannot be written, is reported and the others
    are still answered; the exit code is then 2.

    Examples:

      skinedge predict lesion.jpg

      skinedge predict photos/ --json --top 1

      skinedge predict lesion.jpg --heatmap overlay.png
    """
    from skinedge import DISCLAIMER
    from skinedge.image import read

    from .loading import load_classifier
    from .overlays import write_overlay

    unread: list[ImageError] = []
    sources = _expand(images, unread)
    # Python has no stdin where it was closed.
    if STDIN in sources and sys.stdin is None:
        raise UsageError("-: stdin is closed; pipe an image into this command")
    heatmaps = _heatmap_paths(heatmap, sources) if heatmap else [None] * len(sources)
    classifier = load_classifier(model, labels, threads)
    if heatmap and classifier.file.map_shape is None:
        raise UsageError("this model has no attention map: leave --heatmap out")
    for error in unread:
        print(f"skinedge: {error}", file=sys.stderr)
    answered, failed = False, bool(unread)
    try:
        for source, overlay in zip(sources, heatmaps, strict=True):
            name = "<stdin>" if source == STDIN else source
            try:
                image = _stdin() if source == STDIN else source
                prediction = classifier.predict(image, name)
                text = json.dumps(prediction.to_json(top)) if json_lines else _text(prediction, top)
                print(text, flush=True)
                answered = True
                if overlay and prediction.attention is not None:
                    write_overlay(overlay, read(image, name), prediction.attention)
            except (ImageError, UsageError) as error:
                failed = True
                print(f"skinedge: {error}", file=sys.stderr)
                if json_lines:
                    print(json.dumps({"source": name, "error": str(error)}), flush=True)
    finally:
        if answered:
            print(DISCLAIMER, file=sys.stderr if json_lines else sys.stdout)
    if failed:
        raise typer.Exit(2)
