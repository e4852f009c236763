"""Write what the Python library answers, for the tests of the Android demo.

    python tools/golden_android_answers.py            # android_demo/core/src/test/resources/answers
    python tools/golden_android_answers.py --check    # exits 1 where the committed files differ
    python tools/golden_android_answers.py --real HAM10000 --count 200 --out DIR

Run it when the embedded model changes, and only then, after tools/drawings.py. The committed
inputs are drawn; the real ones are HAM10000's, whose licence keeps them out of this repository.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from drawings import DRAWINGS, Drawing, picture

from skinedge.classifier import Classifier
from skinedge.heatmap import overlay
from skinedge.image import read, to_input
from skinedge.image_folder import images_below

OUT = (
    Path(__file__).parent.parent
    / "android_demo"
    / "core"
    / "src"
    / "test"
    / "resources"
    / "answers"
)
TABLE = "HAM10000_metadata.csv"
LSB = 2  # interpreters of other versions round otherwise, by a step or two


def _balanced(data: Path, count: int) -> Iterable[tuple[str, np.ndarray]]:
    """Real images under numbers for names, each class in turn: RGB uint8 as they are stored."""
    with (data / TABLE).open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    np.random.default_rng(20).shuffle(rows)
    turns: dict[str, int] = {}
    for row in rows:
        row["turn"] = turns[row["dx"]] = turns.get(row["dx"], -1) + 1
    paths: dict[str, Path] = {}
    for path in images_below(data):  # the same image may be there at two resolutions
        paths.setdefault(path.stem, path)
    chosen = sorted(rows, key=lambda row: (row["turn"], row["dx"]))[:count]
    for number, row in enumerate(chosen):
        yield f"{number:03}", read(paths[row["image_id"]])


def _case(classifier: Classifier, name: str, pixels: np.ndarray) -> dict[str, Any]:
    network = classifier.network
    raw = []
    for values, (scale, zero) in zip(network.run(pixels), network.quantization, strict=True):
        raw.append((np.rint(values / np.float32(scale)).astype(int) + zero).tolist())
    answer = classifier.predict(pixels)
    probability = {label.code: label.probability for label in answer.labels}
    assert answer.attention is not None
    return {
        "name": name,
        "raw": raw,
        "probabilities": [probability[label.code] for label in classifier.file.labels],
        "ranked": [label.code for label in answer.labels],
        "malignant_probability": answer.malignant_probability,
        "decisions": [vars(decision) for decision in answer.decisions],
        "attention": answer.attention.ravel().tolist(),
    }


def _model(classifier: Classifier) -> dict[str, Any]:
    file, card = classifier.file, classifier.file.card or {}
    about = ("name", "description", "licence", "version", "labels", "thresholds", "metrics")
    return {
        **{key: card[key] for key in about},
        "sha256": hashlib.sha256(file.content).hexdigest(),
        "map": file.map_shape,
        "heads": classifier.network.quantization,
    }


def _overlay() -> dict[str, Any]:
    """Every level of attention over grey, one cell a pixel, so that nothing is interpolated."""
    attention = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    grey = np.full((16, 16, 3), 128, np.uint8)
    return {
        "base": 128,
        "attention": attention.ravel().tolist(),
        "rgb": {str(s): overlay(grey, attention, s).reshape(-1, 3).tolist() for s in (0.5, 1.0)},
    }


def _drawn(side: int) -> Iterable[tuple[str, np.ndarray]]:
    """Committed drawings under their names: RGB uint8 `[side, side, 3]`."""
    drawings = json.loads(DRAWINGS.read_text(encoding="utf-8"))
    return ((name, picture(Drawing(**drawing), side)) for name, drawing in drawings.items())


def write(classifier: Classifier, out: Path, pictures: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write one PNG for each picture, and answers.json about all of them."""
    out.mkdir(parents=True, exist_ok=True)
    network = classifier.network
    cases = []
    for name, rgb in pictures:
        pixels = to_input(rgb, network.height, network.width)
        cases.append(_case(classifier, name, pixels))
        bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        if not cv2.imwrite(str(out / f"{name}.png"), bgr, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
            raise SystemExit(f"{out / name}.png: cannot write this picture")
    answers = {"model": _model(classifier), "overlay": _overlay(), "cases": cases}
    text = json.dumps(answers, default=lambda value: value.item())
    (out / "answers.json").write_text(text.replace('{"name"', '\n{"name"') + "\n", encoding="utf-8")


def _difference(committed: Path, fresh: Path) -> str | None:
    """What sets the committed files apart from fresh ones; None if nothing does."""
    names = [{path.name for path in folder.iterdir()} for folder in (committed, fresh)]
    if names[0] != names[1]:
        return f"other files: {', '.join(sorted(names[0] ^ names[1]))}"
    for name in sorted(names[0] - {"answers.json"}):
        if not np.array_equal(read(committed / name), read(fresh / name)):
            return f"{name} has other pixels"
    old, new = (json.loads((folder / "answers.json").read_text()) for folder in (committed, fresh))
    if old["model"] != new["model"]:
        return "answers.json is of another model"
    if not np.allclose(*(np.ravel(list(a["overlay"]["rgb"].values())) for a in (old, new)), atol=1):
        return "answers.json has other colours"
    for before, after in zip(old["cases"], new["cases"], strict=True):
        if before["name"] != after["name"]:
            return "answers.json has other cases"
        for head in (0, 1):
            apart = np.abs(np.subtract(before["raw"][head], after["raw"][head])).max()
            if apart > LSB:
                return f"{before['name']}: head {head} differs by {apart} steps"
        if before["raw"] == after["raw"] and not _same_answer(before, after):
            return f"{before['name']}: the same tensors, another answer"
    return None


def _same_answer(one: dict[str, Any], other: dict[str, Any]) -> bool:
    called = [[(d["target"], d["positive"]) for d in case["decisions"]] for case in (one, other)]
    numbers = ("probabilities", "malignant_probability", "attention")
    return (
        one["ranked"] == other["ranked"]
        and called[0] == called[1]
        and all(np.allclose(one[key], other[key], atol=1e-6) for key in numbers)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--real", type=Path, help="a folder with HAM10000")
    parser.add_argument("--count", type=int, default=200, help="of the real images")
    parser.add_argument("--out", type=Path, help="where the real images go")
    arguments = parser.parse_args()
    if (arguments.real is None) != (arguments.out is None):
        parser.error("--real and --out go together: real images must not be committed")
    if arguments.check and not OUT.is_dir():
        sys.exit(f"{OUT} is not there; run tools/golden_android_answers.py")
    classifier = Classifier.load(threads=1)
    if arguments.real is not None:
        if not (arguments.real / TABLE).is_file():
            parser.error(f"{arguments.real} holds no {TABLE}; name a folder with HAM10000")
        write(classifier, arguments.out, _balanced(arguments.real, arguments.count))
        return
    drawn = _drawn(classifier.network.width)
    if not arguments.check:
        write(classifier, OUT, drawn)
        return
    with tempfile.TemporaryDirectory() as folder:
        write(classifier, Path(folder), drawn)
        difference = _difference(OUT, Path(folder))
    if difference is not None:
        sys.exit(
            f"{OUT}: {difference}; run tools/golden_android_answers.py and look at what changed"
        )


if __name__ == "__main__":
    main()
