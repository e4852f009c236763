"""Which attention block is worth its cost? One table over runs that differ in nothing else.

    for block in none soft cbam sge s2 spatial eca; do
        skinedge train edge-128 --data ham10000/ --out runs/$block --attention $block
    done
    python -m skinedge.benchmarks.attention_table runs/* --data ham10000/ --out table/

Runs of the same block with other seeds (and the same --split-seed) become one row: means over
seeds, and the spread between them. All figures are of the float32 model on the test split. Each
run chose its own class prior on its validation split, which moves balanced accuracy against
AUROC; here it is taken out again: balanced accuracy is that of equal priors, AUROC that of the
natural ones. Differences to `none` come with 95 % bootstrap intervals over test lesions, paired,
of the seeds' mean.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skinedge.benchmarks.command import as_command
from skinedge.benchmarks.prior_free import (
    METRICS,
    drawn_metrics,
    equal_prior_logits,
    melanoma_of,
    metrics,
    require_alike,
)
from skinedge.errors import UsageError
from skinedge.train import runs
from skinedge.train.attention_on_lesion import attention_on_lesion
from skinedge.train.batches import lesion_prior
from skinedge.train.datasets import LabelledImages
from skinedge.train.zoo.cost import multiply_accumulates, parameters

__all__ = ["Row", "rows"]

BASELINE = "none"


@dataclass(frozen=True)
class Row:
    """One block over all its seeds.

    Attributes:
        block: its name.
        seeds: of the runs.
        parameters: of the network.
        macs: multiply-accumulates for one image.
        mean: metric -> mean over seeds.
        spread: metric -> largest minus smallest over seeds.
        interval: metric -> 95 % interval of the difference to `none`; NaN where that is absent.
        on_lesion: share of the map's energy on the lesion, mean over images and seeds; NaN
            without a map.
        on_lesion_uniform: the same of a uniform map.
    """

    block: str
    seeds: tuple[int, ...]
    parameters: int
    macs: int
    mean: dict[str, float]
    spread: dict[str, float]
    interval: dict[str, tuple[float, float]]
    on_lesion: float
    on_lesion_uniform: float


@dataclass(frozen=True)
class _Answered:
    seed: int
    logits: np.ndarray
    parameters: int
    macs: int
    on_lesion: float
    uniform: float


def _block(description: dict[str, Any]) -> str:
    placed = description["recipe"]["spec"]["attention"]
    return "+".join(one["block"] for one in placed) or BASELINE


def _ask(run: runs.Run, test: LabelledImages) -> _Answered:
    model = runs.load(run)
    logits, *maps = runs.outputs_on(model, test, model.inputs[0].shape[1])
    share = uniform = math.nan
    if maps:
        side = math.isqrt(maps[0].shape[1])
        found = attention_on_lesion(maps[0].reshape(-1, side, side), test.images)
        if found is not None:
            share, uniform = found.figures()["mean"], found.figures()["uniform"]
    return _Answered(
        run.describe()["seed"],
        equal_prior_logits(logits, run),
        parameters(model),
        multiply_accumulates(model),
        share,
        uniform,
    )


def rows(folders: list[Path], data: LabelledImages, draws: int = 1000) -> list[Row]:
    """The table, best balanced accuracy + macro AUROC first.

    Raises:
        RunError: a run has not finished, is of another split, or differs in more than attention
            and seed.
        UsageError: a block has two runs of one seed.
    """
    found = [runs.Run(folder) for folder in folders]
    require_alike(found)
    split = runs.split_of(found[0], data)
    answered: dict[str, list[_Answered]] = defaultdict(list)
    for run in found:
        block = _block(run.describe())
        answered[block].append(_ask(run, split.test))
        if len({a.seed for a in answered[block]}) < len(answered[block]):
            raise UsageError(f"{run.folder}: there is another run of {block} with this seed")
    melanoma = melanoma_of(split.test)
    labels, log_prior = split.test.labels(), np.log(lesion_prior(split.train))

    def drawn(answers: list[_Answered]) -> np.ndarray:
        """Mean over seeds of each metric in each draw: `[draws, metrics]`."""
        return np.mean(
            [drawn_metrics(labels, a.logits, log_prior, melanoma, draws) for a in answers], axis=0
        )

    baseline = drawn(answered[BASELINE]) if BASELINE in answered else None
    table = []
    for block, answers in answered.items():
        values = np.array([metrics(labels, a.logits, log_prior, melanoma) for a in answers])
        low = high = np.full(len(METRICS), math.nan)
        if baseline is not None and block != BASELINE:
            low, high = np.percentile(drawn(answers) - baseline, (2.5, 97.5), axis=0)
        table.append(
            Row(
                block,
                tuple(a.seed for a in answers),
                answers[0].parameters,
                answers[0].macs,
                dict(zip(METRICS, values.mean(axis=0).tolist(), strict=True)),
                dict(zip(METRICS, np.ptp(values, axis=0).tolist(), strict=True)),
                dict(zip(METRICS, zip(low.tolist(), high.tolist(), strict=True), strict=True)),
                float(np.mean([a.on_lesion for a in answers])),
                float(np.mean([a.uniform for a in answers])),
            )
        )
    return sorted(table, key=lambda r: -(r.mean["balanced_accuracy"] + r.mean["macro_auroc"]))


def markdown(table: list[Row]) -> str:
    """The table for a document."""
    lines = [
        "| attention | seeds | balanced accuracy | macro AUROC | melanoma AUROC | parameters | "
        "MACs | on lesion (uniform map) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in table:
        cells = []
        for name in METRICS:
            cell = f"{row.mean[name]:.3f}"
            if len(row.seeds) > 1:
                cell += f" ± {row.spread[name] / 2:.3f}"
            low, high = row.interval[name]
            cells.append(cell if math.isnan(low) else f"{cell} [{low:+.3f}, {high:+.3f}]")
        lesion = "–"
        if not math.isnan(row.on_lesion):
            lesion = f"{row.on_lesion:.3f} ({row.on_lesion_uniform:.3f})"
        size = f"{row.parameters / 1e6:.2f} M | {row.macs / 1e6:.0f} M"
        seeds = ", ".join(map(str, row.seeds))
        lines.append(f"| {row.block} | {seeds} | {' | '.join(cells)} | {size} | {lesion} |")
    return "\n".join(lines)


def _plot(table: list[Row], out: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4))
    axes = figure.subplots()
    for row in table:
        score = (row.mean["balanced_accuracy"] + row.mean["macro_auroc"]) / 2
        axes.scatter(row.macs / 1e6, score)
        axes.annotate(row.block, (row.macs / 1e6, score), xytext=(4, 4), textcoords="offset points")
    axes.set_xlabel("million multiply-accumulates")
    axes.set_ylabel("mean of balanced accuracy and macro AUROC")
    figure.savefig(out, dpi=120, bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="folder for table.md, table.json, table.png")
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap draws")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    data = runs.data_of(runs.Run(arguments.runs[0]), arguments.data)
    table = rows(arguments.runs, data, arguments.draws)
    text = json.dumps([asdict(row) for row in table])
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "table.json").write_text(text + "\n", encoding="utf-8")
        (arguments.out / "table.md").write_text(markdown(table) + "\n", encoding="utf-8")
        _plot(table, arguments.out / "table.png")
    print(text if arguments.json else markdown(table))


if __name__ == "__main__":
    as_command(main)
