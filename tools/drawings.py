"""Find drawings that bring the embedded model to every answer that the Android tests want.

    python tools/drawings.py [--seed 1] [--tries 1000]    # writes tools/drawings.json

Each class wins somewhere, two classes tie, a score lies just above its threshold and just below.
Run it when the embedded model changes, before tools/golden_android_answers.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skinedge.classifier import Classifier
from skinedge.prediction import Prediction

__all__ = ["DRAWINGS", "Drawing", "picture"]

DRAWINGS = Path(__file__).with_suffix(".json")
Colour = tuple[int, int, int]


class Drawing(NamedTuple):
    """A spot with a core on skin, colours in RGB, under noise of two grains."""

    seed: int
    skin: Colour
    spot: Colour
    core: Colour
    radius: int  # of the spot, in 192nds of the side
    inner: int  # of the core, in percent of the spot's
    ragged: int  # how irregular both borders are, 0 for circles
    fine: int  # how strong the noise of 4 pixels is
    coarse: int  # and that of 16


PLAIN = {
    "black": Drawing(1, (0, 0, 0), (0, 0, 0), (0, 0, 0), 1, 0, 0, 0, 0),
    "white": Drawing(1, (255, 255, 255), (255, 255, 255), (255, 255, 255), 1, 0, 0, 0, 0),
    "noise": Drawing(7, (128, 128, 128), (128, 128, 128), (128, 128, 128), 1, 0, 0, 40, 40),
}


def _noise(side: int, seed: int, cell: int) -> np.ndarray:
    """Smooth noise, -128 to 127, in integers alone: the same on every machine."""
    rows = side // cell + 2
    y, x = np.mgrid[:rows, :rows].astype(np.uint64)
    mask = np.uint64(0xFFFFFFFF)
    hashed = (x * 374761393 + y * 668265263 + np.uint64(seed) * 2246822519) & mask
    hashed = ((hashed ^ (hashed >> np.uint64(13))) * 1274126177) & mask
    corner = ((hashed ^ (hashed >> np.uint64(16))) & np.uint64(255)).astype(np.int64) - 128
    y, x = np.mgrid[:side, :side]
    (top, down), (left, right) = np.divmod(y, cell), np.divmod(x, cell)
    above = corner[top, left] * (cell - right) + corner[top, left + 1] * right
    below = corner[top + 1, left] * (cell - right) + corner[top + 1, left + 1] * right
    return (above * (cell - down) + below * down) // (cell * cell)


def picture(drawing: Drawing, side: int) -> np.ndarray:
    """Draw: RGB uint8 `[side, side, 3]`, the same on every machine."""
    y, x = np.mgrid[:side, :side]
    distance = 100 * ((192 * x - 96 * side) ** 2 + (192 * y - 96 * side) ** 2)
    ragged = 100 + _noise(side, drawing.seed, 24) * drawing.ragged // 8
    border = (drawing.radius * side) ** 2 * ragged
    is_core = distance * 10_000 < border * drawing.inner**2
    pixels = np.where((distance < border)[..., None], drawing.spot, drawing.skin)
    pixels = np.where(is_core[..., None], drawing.core, pixels)
    grain = _noise(side, drawing.seed + 1, 4) * drawing.fine // 64
    patches = _noise(side, drawing.seed + 2, 16) * drawing.coarse // 64
    return np.clip(pixels + (grain + patches)[..., None], 0, 255).astype(np.uint8)


def _any_drawing(rng: np.random.Generator) -> Drawing:
    skin = rng.integers((160, 120, 90), (256, 210, 200))
    spot, core = rng.integers(20, 256, (2, 3))
    rest = (rng.integers(low, high) for low, high in ((20, 100), (20, 100), (0, 9), *[(0, 31)] * 2))
    return Drawing(
        int(rng.integers(1000)), *(tuple(c.tolist()) for c in (skin, spot, core)), *map(int, rest)
    )


def _varied(drawing: Drawing, rng: np.random.Generator) -> Drawing:
    """Each property drawn anew now and then; colours that stay are moved a little."""
    other = _any_drawing(rng)._asdict()
    kept = {key: value for key, value in drawing._asdict().items() if rng.random() < 0.85}
    moved = {
        key: tuple(np.clip(kept[key] + rng.integers(-12, 13, 3), 0, 255).tolist())
        for key in ("skin", "spot", "core")
        if key in kept
    }
    return Drawing(**{**other, **kept, **moved})


class Nearness(NamedTuple):
    """How near an answer comes to a wish.

    Attributes:
        score: larger is nearer.
        met: whether it is near enough.
    """

    score: float
    met: bool


Wish = Callable[[Prediction], Nearness]
NEAR = 1 / 128  # two steps of the head


def _wins(code: str) -> Wish:
    def wish(answer: Prediction) -> Nearness:
        (score,) = (label.probability for label in answer.labels if label.code == code)
        return Nearness(score, answer.top.code == code)

    return wish


def _ties(*codes: str) -> Wish:
    def wish(answer: Prediction) -> Nearness:
        low, high = sorted(x.probability for x in answer.labels if x.code in codes)
        first = {label.code for label in answer.labels[:2]}
        return Nearness(low - (high - low), first == set(codes) and high - low <= NEAR)

    return wish


def _at_threshold(target: str, met: bool) -> Wish:
    def wish(answer: Prediction) -> Nearness:
        (decision,) = (d for d in answer.decisions if d.target == target)
        apart = abs(decision.score - decision.threshold)
        right = decision.positive == met
        return Nearness(right - apart, right and apart <= NEAR)

    return wish


def _wishes(codes: list[str]) -> dict[str, Wish]:
    return {
        **{code: _wins(code) for code in codes},
        "mel-or-bkl": _ties("mel", "bkl"),
        "df-or-nv": _ties("df", "nv"),
        "mel-met": _at_threshold("mel", True),
        "mel-missed": _at_threshold("mel", False),
        "malignant-met": _at_threshold("malignant", True),
        "malignant-missed": _at_threshold("malignant", False),
    }


def search(classifier: Classifier, seed: int, tries: int) -> dict[str, tuple[Nearness, Drawing]]:
    """For each wish the drawing that comes nearest, of random ones and variations of the best."""
    rng = np.random.default_rng(seed)
    wishes = _wishes([label.code for label in classifier.file.labels])
    side = classifier.network.width
    best = dict.fromkeys(wishes, (Nearness(-np.inf, False), _any_drawing(rng)))
    for number in range(tries * len(wishes)):
        name = list(wishes)[number % len(wishes)]
        drawing = _varied(best[name][1], rng) if number >= tries else _any_drawing(rng)
        answer = classifier.predict(picture(drawing, side))
        for wished, wish in wishes.items():
            best[wished] = max(
                best[wished], (wish(answer), drawing), key=lambda pair: pair[0].score
            )
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tries", type=int, default=1000, help="for each wish")
    arguments = parser.parse_args()
    best = search(Classifier.load(threads=1), arguments.seed, arguments.tries)
    if unmet := [name for name, (nearness, _) in best.items() if not nearness.met]:
        sys.exit(f"nothing written: no drawing for {', '.join(unmet)}; try more, or another seed")
    found = {name: drawing for name, (_, drawing) in best.items()} | PLAIN
    lines = (f"{json.dumps(name)}: {json.dumps(d._asdict())}" for name, d in found.items())
    DRAWINGS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
