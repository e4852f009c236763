"""`skinedge data check DIR`"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from itertools import repeat
from pathlib import Path
from typing import Annotated, Any

import typer

from skinedge.errors import UsageError

from .options import Json
from .stations import station

__all__ = ["app"]

SHOWN = 5
"""Problems of one kind, and values of one attribute, that are written out for people."""

app = typer.Typer(help="Look at labelled image sets.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def data() -> None:
    """Look at labelled image sets."""


def _values(name: str, values: dict[str, int]) -> str:
    if name == "age":
        try:
            years = sorted(map(float, values))
        except ValueError:
            pass
        else:
            return f"{years[0]:g} to {years[-1]:g}"
    most = [f"{value} {count}" for value, count in list(values.items())[:SHOWN]]
    more = [f"{len(values) - SHOWN} more"] if len(values) > SHOWN else []
    return ", ".join(most + more)


def _text(found: dict[str, Any]) -> str:
    plural = f"{found['group']}s"
    lines = [
        f"{found['path']}: {found['title']} ({found['layout']})",
        f"  {found['images']} images of {found['groups']} {plural}; "
        f"{found['sharp']} with a sharper copy, {found['masks']} with a mask",
        f"  {'class':9} {'images':>7} {plural:>8}",
    ]
    for code, row in found["classes"].items():
        lines.append(
            f"  {code:9} {row['images']:7d} {row['groups']:8d}  {row['diagnosis']}".rstrip()
        )
    if found["attributes"]:
        lines.append(f"  {'attribute':9} {'images':>7}  values")
    for name, row in found["attributes"].items():
        lines.append(f"  {name:9} {row['images']:7d}  {_values(name, row['values'])}")
    how = "decoded in full" if found["decoded"] else "read by their header"
    lines.append(f"  {found['files']} files {how}")
    by_kind = defaultdict(list)
    for problem in found["problems"]:
        kind = f"{problem['kind']} (harmless)" if problem["harmless"] else problem["kind"]
        by_kind[kind].append(problem["text"])
    for kind, texts in by_kind.items():
        lines.append(f"{kind}: {len(texts)}")
        lines += [f"  {text}" for text in texts[:SHOWN]]
        if len(texts) > SHOWN:
            lines.append(f"  and {len(texts) - SHOWN} more; --json names all")
    if all(problem["harmless"] for problem in found["problems"]):
        lines.append("nothing is wrong")
    if found["untrained"]:
        codes = ", ".join(found["untrained"])
        lines.append(f"skinedge train refuses {codes}: no recipe has a class of this name")
    return "\n".join(lines)


@app.command()
def check(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...", help="The folder or table of a labelled image set, or of several."
        ),
    ],
    layout: Annotated[
        list[str] | None,
        typer.Option(help="Take it for this layout instead of finding out; or once for each set."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="Codes of your own table or folders, comma-separated; "
            "HAM10000's seven if not given."
        ),
    ] = None,
    split_file: Annotated[
        Path | None,
        typer.Option(help="A run's split.csv: find lesions that are in several of its parts."),
    ] = None,
    decode: Annotated[
        bool, typer.Option("--decode", help="Read every pixel, not only every header.")
    ] = False,
    json_lines: Json = False,
) -> None:
    """Say what a labelled set holds, and everything that is wrong with it.

    Does not stop at the first problem. Finds rows that cannot be used, missing, unreadable and
    identical images, lesions with several diagnoses, and lesions that cross a split. Several sets
    are looked at as the one that training makes of them: what is in both, and where they
    disagree. Exits with 2 when something is wrong. Classes that only a model of your own has are
    nothing wrong, but skinedge train refuses them, and this says so. Needs skinedge[evaluate].

    Examples:

      skinedge data check ham10000/

      skinedge data check my-clinic/ --classes benign,malignant --decode

      skinedge data check isic2019/ isic2020/

      skinedge data check ham10000/ --split-file runs/edge/split.csv --json
    """
    datasets = station("train.datasets", "evaluate")
    checks = station("train.datasets.check", "evaluate")
    from skinedge.lesion import ALL, CODES

    codes = tuple(code.strip() for code in classes.split(",")) if classes else CODES
    layouts: list[str | None] = [*(layout or [None])]
    if len(layouts) == 1:
        layouts *= len(paths)
    if len(layouts) != len(paths):
        raise UsageError(f"{len(paths)} sets and {len(layouts)} layouts: name one for each")
    sets = [datasets.parse_dataset(*one) for one in zip(paths, repeat(codes), layouts)]
    problems = [problem for _, parsed in sets for problem in parsed.problems]
    for _, parsed in sets:
        problems += datasets.problems(parsed.data)
    images, crossing = checks.together([parsed.data for _, parsed in sets])
    problems += crossing
    files = checks.files_of(images)
    if split_file:
        problems += checks.crossing(images, split_file)
    problems += checks.duplicates(images)
    with typer.progressbar(length=len(files), file=sys.stderr, label="files") as bar:
        problems += checks.unreadable(files, decode, bar.update)
    found: dict[str, Any] = {
        "path": " + ".join(map(str, paths)),
        "layout": " + ".join(kind.name for kind, _ in sets),
        "title": " + ".join(kind.title for kind, _ in sets),
        "source": " + ".join(str(parsed.source) for _, parsed in sets),
        **checks.summary(images),
        "files": len(files),
        "decoded": decode,
        "problems": [vars(problem) for problem in problems],
        "untrained": [code for code in images.classes if code.lower() not in ALL],
    }
    for code, row in found["classes"].items():
        row["diagnosis"] = ALL[code.lower()].name if code.lower() in ALL else ""
    print(json.dumps(found) if json_lines else _text(found))
    if not all(problem.harmless for problem in problems):
        raise typer.Exit(2)
