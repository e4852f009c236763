"""Does bias correction pay, and beside the refit of the last layer?

    python -m skinedge.benchmarks.bias_correction runs/edge --data ham10000/

Rows: int8 as converted; with biases corrected (`compress.bias`); with the last layer refitted
(`compress.refit`); with both, as `skinedge compress` does. All calibrate on the same training
images, and every file answers for the validation split.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from skinedge.benchmarks.command import as_command
from skinedge.benchmarks.prior_free import melanoma_of
from skinedge.compress.convert import float32_tflite
from skinedge.compress.fidelity import Fidelity, fidelity
from skinedge.compress.heads import run_heads
from skinedge.compress.pipeline import quantized, training_pixels
from skinedge.compress.recipe import parse
from skinedge.train import runs
from skinedge.train.batches import load_pixels
from skinedge.train.datasets.images import LabelledImages
from skinedge.train.evaluate import to_json
from skinedge.train.metrics import auroc, balanced_accuracy, macro_auroc

__all__ = ["Row", "compare", "markdown"]


@dataclass(frozen=True)
class Row:
    """One file, asked about the validation split.

    Attributes:
        form: how it was made.
        balanced_accuracy, macro_auroc, melanoma_auroc: 0 to 1; the last NaN without such a class.
        fidelity: against the float32 file.
    """

    form: str
    balanced_accuracy: float
    macro_auroc: float
    melanoma_auroc: float
    fidelity: Fidelity


def compare(run: runs.Run, data: LabelledImages) -> list[Row]:
    """Make the files and ask them.

    Raises:
        RunError: the run is not finished, or of another split.
        CompressionError: the converter refused.
    """
    split = runs.split_of(run, data)
    model, how = runs.load(run), parse("int8")
    size = int(model.inputs[0].shape[1])
    load = training_pixels(split.train, run.describe()["seed"], size)
    pixels = load(how.images)
    forms = {
        "int8 as converted": replace(how, bias=0, refit=0),
        "biases corrected": replace(how, refit=0),
        "last layer refitted": replace(how, bias=0),
        "both": how,
    }
    files = {"float32": float32_tflite(model)}
    for form, recipe in forms.items():
        files[form], _ = quantized(model, recipe, lambda count: pixels[:count])
    part = split.validation
    images, labels, melanoma = load_pixels(part.images, size), part.labels(), melanoma_of(part)
    said = {form: run_heads(content, images) for form, content in files.items()}
    rows = []
    for form, heads in said.items():
        answers = heads.probabilities / heads.probabilities.sum(axis=1, keepdims=True)
        area = float("nan")
        if melanoma is not None:
            area = auroc(labels == melanoma, answers[:, melanoma])
        figures = balanced_accuracy(labels, answers), macro_auroc(labels, answers), area
        rows.append(Row(form, *figures, fidelity(said["float32"], heads)))
    return rows


def markdown(rows: list[Row]) -> str:
    """The table for a document."""
    lines = [
        "| form | balanced accuracy | macro AUROC | melanoma AUROC | same class | KL "
        "| map correlation |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        near = row.fidelity
        figures = row.balanced_accuracy, row.macro_auroc, row.melanoma_auroc
        lines.append(
            f"| {row.form} | {' | '.join(f'{figure:.4f}' for figure in figures)} "
            f"| {near.agreement:.2%} | {near.divergence:.4f} | {near.attention_correlation:.4f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="the run folder")
    parser.add_argument("--data", type=Path, required=True, help="its dataset")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    run = runs.Run(arguments.run)
    rows = compare(run, runs.data_of(run, arguments.data))
    print(to_json([asdict(row) for row in rows]) if arguments.json else markdown(rows))


if __name__ == "__main__":
    as_command(main)
