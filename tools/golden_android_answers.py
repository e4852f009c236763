"""Write what the Python library answers, for the tests of the Android demo.

    python tools/golden_android_answers.py            # android_demo/core/src/test/resources/answers
    python tools/golden_android_answers.py --check    # exits 1 where the committed files differ
    python tools/golden_android_answers.py --real HAM10000 --count 200 --out DIR

Run it when the embedded model changes, and only then. The committed inputs are drawn; the real
ones are HAM10000's, whose licence keeps them out of this repository.
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
from typing import Any, NamedTuple

import cv2
import numpy as np

from skinedge.classifier import Classifier
from skinedge.heatmap import overlay
from skinedge.image import images_below, read, to_input

OUT = (
    Path(__file__).parent.parent
    / "android_demo"
    / "core"
    / "src"
    / "test"
    / "resources"
    / "answers"
)
SIDE = 192
TABLE = "HAM10000_metadata.csv"
LSB = 2  # interpreters of other versions round otherwise, by a step or two


class Drawing(NamedTuple):
    """A spot with a core on skin, colours in RGB, under noise of two grains."""

    seed: int
    skin: tuple[int, int, int]
    spot: tuple[int, int, int]
    core: tuple[int, int, int]
    radius: int  # of the spot, in pixels
    inner: int  # of the core, in percent of the spot's
    ragged: int  # how irregular both borders are, 0 for circles
    fine: int  # how strong the noise of 4 pixels is
    coarse: int  # and that of 16


# Found by random search, for what the model of that day said: each class wins, ties between two,
# and scores on either side of a threshold.
DRAWINGS = {
    "akiec": Drawing(585, (183, 144, 125), (142, 213, 192), (106, 184, 192), 94, 80, 5, 20, 28),
    "bcc": Drawing(289, (229, 186, 129), (65, 117, 58), (105, 245, 187), 93, 87, 7, 8, 30),
    "bkl": Drawing(928, (182, 190, 171), (132, 68, 78), (83, 137, 137), 89, 94, 7, 8, 29),
    "df": Drawing(944, (202, 203, 149), (133, 119, 192), (145, 210, 156), 81, 83, 0, 6, 16),
    "mel": Drawing(380, (227, 164, 145), (109, 103, 126), (165, 73, 77), 59, 50, 3, 7, 21),
    "nv": Drawing(322, (248, 175, 168), (143, 186, 62), (206, 93, 69), 59, 93, 1, 24, 25),
    "vasc": Drawing(421, (216, 150, 101), (104, 144, 111), (180, 89, 144), 81, 87, 3, 1, 21),
    "mel-or-bkl": Drawing(191, (227, 173, 144), (115, 103, 131), (165, 73, 34), 59, 38, 5, 12, 14),
    "df-or-nv": Drawing(550, (174, 178, 125), (133, 119, 192), (137, 210, 172), 98, 84, 0, 6, 16),
    "mel-met": Drawing(183, (220, 175, 168), (152, 210, 62), (206, 93, 69), 32, 80, 3, 17, 18),
    "mel-missed": Drawing(163, (255, 175, 154), (143, 198, 68), (206, 93, 69), 59, 99, 1, 19, 29),
    "malignant-met": Drawing(670, (201, 190, 174), (132, 55, 72), (97, 144, 138), 84, 89, 8, 12, 0),
    "malignant-missed": Drawing(
        645, (182, 189, 185), (151, 69, 78), (83, 152, 131), 80, 94, 7, 8, 4
    ),
    "black": Drawing(1, (0, 0, 0), (0, 0, 0), (0, 0, 0), 1, 0, 0, 0, 0),
    "white": Drawing(1, (255, 255, 255), (255, 255, 255), (255, 255, 255), 1, 0, 0, 0, 0),
    "noise": Drawing(7, (128, 128, 128), (128, 128, 128), (128, 128, 128), 1, 0, 0, 40, 40),
}


def _noise(seed: int, cell: int) -> np.ndarray:
    """Smooth noise, -128 to 127, in integers alone: the same on every machine."""
    rows = SIDE // cell + 2
    y, x = np.mgrid[:rows, :rows].astype(np.uint64)
    mask = np.uint64(0xFFFFFFFF)
    hashed = (x * 374761393 + y * 668265263 + np.uint64(seed) * 2246822519) & mask
    hashed = ((hashed ^ (hashed >> np.uint64(13))) * 1274126177) & mask
    corner = ((hashed ^ (hashed >> np.uint64(16))) & np.uint64(255)).astype(np.int64) - 128
    y, x = np.mgrid[:SIDE, :SIDE]
    (top, down), (left, right) = np.divmod(y, cell), np.divmod(x, cell)
    above = corner[top, left] * (cell - right) + corner[top, left + 1] * right
    below = corner[top + 1, left] * (cell - right) + corner[top + 1, left + 1] * right
    return (above * (cell - down) + below * down) // (cell * cell)


def picture(drawing: Drawing) -> np.ndarray:
    """Draw: RGB uint8 `[192, 192, 3]`, the same on every machine."""
    y, x = np.mgrid[:SIDE, :SIDE]
    distance = 100 * ((x - 96) ** 2 + (y - 96) ** 2)
    border = drawing.radius**2 * (100 + _noise(drawing.seed, 24) * drawing.ragged // 8)
    is_core = distance * 10_000 < border * drawing.inner**2
    pixels = np.where((distance < border)[..., None], drawing.spot, drawing.skin)
    pixels = np.where(is_core[..., None], drawing.core, pixels)
    grain = _noise(drawing.seed + 1, 4) * drawing.fine // 64
    patches = _noise(drawing.seed + 2, 16) * drawing.coarse // 64
    return np.clip(pixels + (grain + patches)[..., None], 0, 255).astype(np.uint8)


def _balanced(data: Path, count: int) -> Iterable[tuple[str, np.ndarray]]:
    """Real images under numbers for names, each class in turn: RGB uint8 `[192, 192, 3]`."""
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
        yield f"{number:03}", to_input(read(paths[row["image_id"]]), SIDE, SIDE)


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


def write(out: Path, pictures: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write one PNG for each picture, and answers.json about all of them."""
    out.mkdir(parents=True, exist_ok=True)
    classifier = Classifier.load(threads=1)
    cases = []
    for name, pixels in pictures:
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
    if arguments.real is not None:
        if not (arguments.real / TABLE).is_file():
            parser.error(f"{arguments.real} holds no {TABLE}; name a folder with HAM10000")
        write(arguments.out, _balanced(arguments.real, arguments.count))
        return
    drawn = ((name, picture(drawing)) for name, drawing in DRAWINGS.items())
    if not arguments.check:
        write(OUT, drawn)
        return
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), drawn)
        difference = _difference(OUT, Path(folder))
    if difference is not None:
        sys.exit(
            f"{OUT}: {difference}; run tools/golden_android_answers.py and look at what changed"
        )


if __name__ == "__main__":
    main()
