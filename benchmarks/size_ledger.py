"""Where the bytes went: one model in every form, beside the published networks.

    python -m skinedge.benchmarks.size_ledger runs/edge compressed/*.tflite

Sizes are of the files as they lie on disk, and gzipped. The published networks were built from
their recipes with random weights; theirs is the size of their float32 weights alone, which no
file is smaller than.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from skinedge.benchmarks.command import as_command
from skinedge.errors import RunError
from skinedge.model_file import read_model
from skinedge.train.recipes import RECIPES
from skinedge.train.runs import Run
from skinedge.train.zoo.cost import BYTES_PER_WEIGHT

__all__ = ["Entry", "ledger", "markdown"]

PUBLISHED = ("soft-attention-irv2", "cbam-b3")


@dataclass(frozen=True)
class Entry:
    """One form of a model.

    Attributes:
        form: what it is.
        size: bytes on disk, or of float32 weights for a published network.
        gzipped: bytes after gzip -9; None for a published network.
        share: `size` as a share of the first entry's.
    """

    form: str
    size: int
    gzipped: int | None
    share: float


def _form(path: Path) -> str:
    card = read_model(path).card or {}
    how = card.get("compression")
    return f"TFLite {how['name']}" if how else f"TFLite, {path.name}"


def _published() -> Iterator[tuple[str, int]]:
    import keras

    from skinedge.train.zoo.build import build
    from skinedge.train.zoo.cost import parameters

    for name in PUBLISHED:
        spec = RECIPES[name].spec
        weights = parameters(build(spec, keras))
        keras.backend.clear_session()
        yield f"{spec.backbone} + {spec.attention_name()}, float32 weights", weights


def ledger(run: Run, files: list[Path], published: bool = True) -> list[Entry]:
    """The Keras model of a run, then its files from largest to smallest, then other networks.

    Args:
        run: a finished run.
        files: `.tflite` files made of it.
        published: whether to build the published networks, which takes half a minute.

    Raises:
        RunError: the run has no model.
        ModelFileError: a file is no model.
    """
    if not run.model.is_file():
        raise RunError(f"{run.folder}: training has not finished")
    forms = [("Keras float32", run.model)]
    forms += sorted(((_form(path), path) for path in files), key=lambda f: -f[1].stat().st_size)
    whole = run.model.stat().st_size
    entries = []
    for form, path in forms:
        content = path.read_bytes()
        zipped = len(gzip.compress(content, 9, mtime=0))
        entries.append(Entry(form, len(content), zipped, len(content) / whole))
    if published:
        for form, weights in _published():
            size = BYTES_PER_WEIGHT * weights
            entries.append(Entry(form, size, None, size / whole))
    return entries


def markdown(entries: list[Entry]) -> str:
    """The ledger for a document."""
    lines = ["| form | bytes | share of Keras float32 | gzipped |", "|---|---|---|---|"]
    for entry in entries:
        zipped = "–" if entry.gzipped is None else f"{entry.gzipped:,}"
        lines.append(f"| {entry.form} | {entry.size:,} | {entry.share:.1%} | {zipped} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="the run folder")
    parser.add_argument("files", type=Path, nargs="*", help=".tflite files made of it")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    entries = ledger(Run(arguments.run), arguments.files)
    print(json.dumps([asdict(e) for e in entries]) if arguments.json else markdown(entries))


if __name__ == "__main__":
    as_command(main)
