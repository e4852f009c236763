"""Float models, quantized to int8 by SkinEdge and by the defaults of the tools that exist.

    python -m skinedge.benchmarks.quantizers runs/edge --data ham10000/
    python -m skinedge.benchmarks.quantizers runs/soft runs/cbam runs/sge --data ham10000/

Rows: the float32 file; SkinEdge's `int8`; the TFLite converter's defaults; AI Edge Quantizer's
defaults, both with the same representative images. Every file answers for the same images of
the test split, through the interpreter that ships. Latency is the median at one thread, the
files timed in turn, as a share of float32's.
"""

from __future__ import annotations

import argparse
import gzip
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from skinedge.benchmarks.attention_int8 import latency_ratios
from skinedge.benchmarks.command import as_command
from skinedge.compress.convert import float32_tflite
from skinedge.compress.edge_quantizer import aeq_int8_tflite
from skinedge.compress.fidelity import Fidelity, fidelity
from skinedge.compress.heads import Heads, plan, run_heads
from skinedge.compress.pipeline import quantized, training_pixels
from skinedge.compress.quantize import plain_int8_tflite
from skinedge.compress.recipe import parse
from skinedge.errors import CompressionError
from skinedge.lesion import lesion
from skinedge.train import runs
from skinedge.train.answers import Answers
from skinedge.train.batches import load_pixels
from skinedge.train.datasets.images import LabelledImages
from skinedge.train.evaluate import report, to_json

__all__ = ["Row", "compare", "markdown"]

METRICS = ("balanced_accuracy", "macro_auroc", "melanoma_auroc")


@dataclass(frozen=True)
class Row:
    """One file.

    Attributes:
        run: its folder, as it was named.
        quantizer: who made it.
        metrics: of the test split, by name; NaN where the task has no such class.
        on_lesion: share of the map's energy on the lesion; NaN without map or masks.
        fidelity: against the float32 file, on the same images.
        size: bytes of the flatbuffer.
        gzipped: bytes after gzip -9.
        partitions: of the delegate.
        latency: median as a share of the float32 file's.
        refused: why the interpreter cannot run it, and all but the sizes is NaN; or empty.
    """

    run: str
    quantizer: str
    metrics: dict[str, float]
    on_lesion: float
    fidelity: Fidelity
    size: int
    gzipped: int
    partitions: int
    latency: float
    refused: str = ""


def _answers(said: Heads, test: LabelledImages) -> Answers:
    attention, probabilities = said.attention, said.probabilities.astype(np.float64)
    if attention is not None:
        side = round(attention.shape[1] ** 0.5)
        attention = attention.reshape(-1, side, side)
    return Answers(
        test.classes,
        test.labels(),
        # As `Classifier` does: rounded to 1/256 each, they miss a sum of 1 by a little.
        probabilities / probabilities.sum(axis=1, keepdims=True),
        np.array([lesion(code).malignant for code in test.classes]),
        attention,
        (),
        test.images,
    )


def compare(run: runs.Run, data: LabelledImages, timed: int = 100) -> list[Row]:
    """Make the files, ask them about the test split, time them.

    Args:
        run: a finished run folder.
        data: its dataset.
        timed: timed runs of each file.

    Raises:
        RunError: the run is not finished, or of another split.
        CompressionError: a converter refused; a file that the interpreter refuses has its row.
    """
    split = runs.split_of(run, data)
    model, seed = runs.load(run), run.describe()["seed"]
    how, size = parse("int8"), int(model.inputs[0].shape[1])
    images = training_pixels(split.train, seed, size)
    representative = images(how.representative)
    float32 = float32_tflite(model)
    files = {
        "float32": float32,
        "SkinEdge int8": quantized(model, how, images)[0],
        "TFLite converter": plain_int8_tflite(model, representative),
        "AI Edge Quantizer": aeq_int8_tflite(float32, representative),
    }
    pixels = load_pixels(split.test.images, size)
    said, refused = {}, {}
    for name, content in files.items():
        try:
            said[name] = run_heads(content, pixels)
        except CompressionError as error:
            refused[name] = str(error)
    ratios = dict(
        zip(said, latency_ratios([files[name] for name in said], size, timed), strict=True)
    )
    rows = []
    for name, content in files.items():
        sizes = len(content), len(gzip.compress(content, 9, mtime=0))
        if name in refused:
            nothing = dict.fromkeys(METRICS, math.nan)
            unlike = Fidelity(*[math.nan] * 4)
            costs = (*sizes, 0, math.nan, refused[name])
            rows.append(Row(str(run.folder), name, nothing, math.nan, unlike, *costs))
            continue
        figures: dict[str, Any] = report(_answers(said[name], split.test), [])
        on_lesion = figures["attention_on_lesion"]
        rows.append(
            Row(
                str(run.folder),
                name,
                {key: figures[key] for key in METRICS},
                on_lesion["mean"] if on_lesion else float("nan"),
                fidelity(said["float32"], said[name]),
                *sizes,
                plan(content).partitions,
                ratios[name],
            )
        )
    return rows


def _or_dash(value: float, form: str) -> str:
    return "–" if math.isnan(value) else format(value, form)


def markdown(rows: list[Row]) -> str:
    """The table for a document."""
    header = (
        *("run", "quantizer", "balanced accuracy", "macro AUROC", "melanoma AUROC", "same class"),
        *("map correlation", "top 20 % overlap", "on lesion", "bytes", "gzipped", "partitions"),
        "latency",
    )
    table = [header, ["---"] * len(header)]
    for row in rows:
        close = row.fidelity
        table.append(
            [
                row.run,
                row.quantizer,
                *(_or_dash(row.metrics[key], ".4f") for key in METRICS),
                _or_dash(close.agreement, ".2%"),
                _or_dash(close.attention_correlation, ".3f"),
                _or_dash(close.attention_overlap, ".3f"),
                _or_dash(row.on_lesion, ".3f"),
                f"{row.size:,}",
                f"{row.gzipped:,}",
                "refused" if row.refused else str(row.partitions),
                _or_dash(row.latency, ".2f"),
            ]
        )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in table)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, nargs="+", help="run folders")
    parser.add_argument("--data", type=Path, required=True, help="their dataset")
    parser.add_argument("--timed", type=int, default=100, help="timed runs of each file")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    # All that can be wrong with a run is found before the long work.
    given = [(run, runs.data_of(run, arguments.data)) for run in map(runs.Run, arguments.run)]
    for run, data in given:
        runs.split_of(run, data)
        runs.load(run)
    rows = []
    for run, data in given:
        keras.backend.clear_session()
        rows += compare(run, data, arguments.timed)
    print(to_json([asdict(row) for row in rows]) if arguments.json else markdown(rows))


if __name__ == "__main__":
    as_command(main)
