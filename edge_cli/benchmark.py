"""`skinedge benchmark [MODEL...]`"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from skinedge.errors import RuntimeMissingError, UsageError

from .loading import chatter_elsewhere
from .options import Part
from .progress import lines
from .stations import station

__all__ = ["benchmark"]

RESULTS, PARTIAL = "benchmark.json", "benchmark.partial.json"


def _threads(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        numbers = ()
    if not numbers or not all(1 <= number <= 64 for number in numbers):
        raise UsageError(f"--threads {text!r}: numbers from 1 to 64, as in 1,2,4")
    return numbers


def _saver(out: Path | None) -> Callable[[Any], None]:
    """Keeps what has been found so far, so that a killed run leaves it, under another name than
    a finished one's."""
    if out is None:
        return lambda report: None
    out.mkdir(parents=True, exist_ok=True)
    partial = out / PARTIAL
    partial.write_text("")  # found impossible before the long work
    partial.unlink()
    result_file = station("benchmarks.result_file", "bench")

    def save(report: Any) -> None:
        result_file.write(report, out / RESULTS if report.complete else partial)
        if report.complete:
            partial.unlink(missing_ok=True)

    return save


def _write(report: Any, out: Path) -> None:
    """The report for people: one page, its figures, a summary."""
    summary = station("benchmarks.markdown", "bench").markdown(report)
    (out / "benchmark.md").write_text(summary, encoding="utf-8")
    try:
        plots, paper = (
            station("benchmarks.plots", "evaluate"),
            station("benchmarks.page", "evaluate"),
        )
    except RuntimeMissingError as error:  # a board's install: its JSON makes a page elsewhere
        print(f"skinedge: no page and no figures: {error}", file=sys.stderr)
        return
    figures = plots.figures(report)
    for name, content in figures.items():
        (out / f"{name}.png").write_bytes(content)
    (out / "benchmark.html").write_text(paper.page(report, figures), encoding="utf-8")


def _elsewhere(ssh: str | None, adb: Path | None, models: list[Path], plan: Any) -> Any:
    """Run on a board or a phone, and bring its report back."""
    say = lines()

    def heard(line: str) -> None:
        say(line, 0)

    if adb is not None:
        report = station("benchmarks.phone", "bench").over_adb(
            adb, models, plan.threads, plan.runs, heard
        )
        note = "Timed on a phone: inference alone, at least as many runs as asked for."
    else:
        arguments = ["--threads", ",".join(map(str, plan.threads)), "--runs", str(plan.runs)]
        arguments += ["--seed", str(plan.seed), "--baseline", "", "--no-published"]
        arguments += [] if plan.peers else ["--no-peers"]
        report = station("benchmarks.remote", "bench").over_ssh(ssh, models, arguments, heard)
        note = f"Timed on {ssh}: the models alone, without baseline and published networks."
    return replace(report, command=plan.command, notes=(*report.notes, note))


def benchmark(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[MODEL...]",
            help=".tflite files; the embedded one if none is given.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Labelled images to measure accuracy on; without them the figures are those "
            "recorded in the model files.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        Part, typer.Option(help="Part of the set the model was trained on; all for another set.")
    ] = Part.test,
    baseline: Annotated[
        str,
        typer.Option(
            help="Full-precision Keras model to compare with: a run folder, or a recipe with "
            "random weights; '' for none."
        ),
    ] = "melanoma-b3",
    threads: Annotated[str, typer.Option(help="Interpreter threads, each in turn.")] = "1,2",
    runs: Annotated[int, typer.Option(min=1, help="Timed runs of each model, at most.")] = 200,
    peers: Annotated[
        bool, typer.Option("--peers/--no-peers", help="Time other runtimes that are installed.")
    ] = True,
    published: Annotated[
        bool, typer.Option("--published/--no-published", help="Time published networks.")
    ] = True,
    seed: Annotated[
        int, typer.Option(min=0, help="Of pictures, random weights and bootstrap draws.")
    ] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for benchmark.html, .md, .json and the figures; a killed run leaves "
            "benchmark.partial.json there, and without --out nothing."
        ),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(help="An earlier benchmark.json: print ratios, flag what got worse."),
    ] = None,
    ssh: Annotated[
        str | None, typer.Option(metavar="HOST", help="Run on another machine, user@pi.")
    ] = None,
    adb: Annotated[
        Path | None,
        typer.Option(metavar="BINARY", help="Run on a phone, by TFLite's benchmark_model."),
    ] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure what compression cost and saved: time, size, accuracy, against full precision.

    All that computes is timed in turn; times are medians. Published networks and recipes have
    random weights here: their cost is real, their accuracy is not reported. The full-precision
    baseline runs on the GPU that Keras sees, else on the processor, and the report says which.
    Keras needs skinedge[compress], other runtimes skinedge[bench], the page skinedge[evaluate];
    what is missing is left out, and named. --ssh and --adb time the models alone. With --compare,
    the exit code is 1 if something got worse.

    Examples:

      skinedge benchmark

      skinedge benchmark edge-int8.tflite --data ham10000/ --baseline runs/edge --out report/

      skinedge benchmark --ssh pi@raspberrypi.local --threads 1,2,4 --out pi/

      skinedge benchmark --compare benchmarks/reference/my-board.json
    """
    from skinedge import DISCLAIMER

    elsewhere = ssh is not None or adb is not None
    if ssh is not None and adb is not None:
        raise UsageError("--ssh and --adb: one machine at a time")
    if elsewhere and data:
        raise UsageError("--data stays here: measure accuracy without --ssh and --adb")
    if data:  # found missing before the long work
        station("benchmarks.accuracy", "evaluate")
    result_file = station("benchmarks.result_file", "bench")
    earlier = result_file.read(compare) if compare else None
    plan = station("benchmarks.bench", "bench").Plan(
        models=tuple(models or ()),
        data=tuple(data or ()),
        split=split.value,
        baseline=baseline,
        threads=_threads(threads),
        runs=runs,
        peers=peers,
        published=published,
        seed=seed,
        command=shlex.join(["skinedge", *sys.argv[1:]]),
    )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    save = _saver(out)
    if elsewhere:
        report = _elsewhere(ssh, adb, models or [], plan)
        save(report)
    else:
        with chatter_elsewhere() as stderr:
            report = station("benchmarks.suite", "bench").benchmark(plan, lines(stderr), save)
    tables = station("benchmarks.tables", "bench")
    print(result_file.to_json(report) if json_lines else tables.text(report), end="")
    print(DISCLAIMER, file=sys.stderr if json_lines else sys.stdout)
    if out:
        _write(report, out)
    if earlier is not None:
        comparing = station("benchmarks.compare", "bench")
        rows = comparing.compare(report, earlier)
        print(comparing.text(rows), file=sys.stderr if json_lines else sys.stdout)
        if comparing.regressed(rows):
            raise typer.Exit(1)
