"""How a report's figures, sentences and tables are worded, wherever they are shown.

What was not measured is a dash.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .results import Accuracy, Report, Spread, Subject

__all__ = [
    "DASH",
    "Table",
    "about",
    "accuracy_of",
    "count",
    "faster",
    "fewer",
    "figure",
    "headlines",
    "known",
    "megabytes",
    "metric",
    "number",
    "numeric",
    "origin",
    "percent",
    "plain",
    "reference",
    "shortened",
    "spread",
    "table_of",
    "threads",
]

DASH = "–"
CAPITALS = {"auroc": "AUROC", "f1": "F1", "brier": "Brier"}


def known(value: float | None) -> bool:
    """Whether it was measured: neither None nor NaN."""
    return value is not None and math.isfinite(value)


def figure(value: float | None) -> str:
    """About three digits, without a unit and never as a power of ten: times, rates."""
    if value is None or not known(value):
        return DASH
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def spread(found: Spread | None) -> str:
    """Median, and in brackets the 5th to the 95th percentile."""
    if found is None or not known(found.median):
        return DASH
    if found.runs < 2:
        return figure(found.median)
    return f"{figure(found.median)} ({figure(found.p5)} to {figure(found.p95)})"


def megabytes(value: float | None) -> str:
    """Bytes in MB, millions of bytes; in kB below a tenth of that."""
    if value is None or not known(value):
        return DASH
    return f"{figure(value / 1e6)} MB" if value >= 1e5 else f"{figure(value / 1e3)} kB"


def count(value: float | None) -> str:
    """Parameters or operations: `3.41 M`, `5.70 G`."""
    if value is None or not known(value):
        return DASH
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e4)):
        if value >= size:
            return f"{figure(value / min(size, 1e3 if unit == 'k' else size))} {unit}"
    return f"{value:.0f}"


def number(value: float | None) -> str:
    """A metric, three digits behind the point."""
    return f"{value:.3f}" if value is not None and known(value) else DASH


def percent(share: float | None) -> str:
    """A share of 1, one digit behind the point."""
    return f"{100 * share:.1f} %" if share is not None and known(share) else DASH


def faster(share: float) -> str:
    """A time's share of another, as a multiple of speed."""
    if not known(share) or share <= 0:
        return DASH
    times = max(share, 1 / share)
    if times < 1.01:
        return "as fast"
    digits = 2 if times < 2 else 1 if times < 100 else 0
    return f"{times:.{digits}f} times {'faster' if share < 1 else 'slower'}"


def fewer(share: float, things: str, less: str = "fewer") -> str:
    """A cost's share of another, as what is saved."""
    if not known(share):
        return DASH
    if abs(share - 1) < 0.005:
        return f"as {'much' if less == 'less' else 'many'} {things}"
    saved = 100 * abs(1 - share)
    # Rounding must not promise that nothing is left.
    digits = 0 if share > 1 or saved < 99 else 1 if saved < 99.9 else 2
    return f"{saved:.{digits}f} % {less if share < 1 else 'more'} {things}"


def metric(name: str) -> str:
    """`macro_auroc` as `macro AUROC`."""
    return " ".join(CAPITALS.get(word, word) for word in name.split("_"))


def threads(number_of_threads: int) -> str:
    """`1 thread`; 0 stands for a GPU."""
    if not number_of_threads:
        return "GPU"
    return f"{number_of_threads} thread{'s' if number_of_threads > 1 else ''}"


def shortened(name: str, longest: int = 40) -> str:
    """The end of a tensor's path, which tells layers apart; of fused names the first."""
    whole, *_ = name.split(";")
    rest = whole
    while len(rest) > longest and "/" in rest:
        rest = rest.split("/", 1)[1]
    rest = rest if len(rest) <= longest else rest[-longest:]
    return rest if rest == whole else f"…{rest}"


@dataclass(frozen=True)
class Table:
    """Headers and rows of strings.

    Attributes:
        key: which table this is: the name of the function that makes it.
        caption: what it shows.
        header, rows: as many cells in each.
        notes: what a reader must know of these figures.
    """

    key: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def table_of(
    key: str,
    caption: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    notes: Iterable[str] = (),
) -> Table | None:
    """Columns of dashes alone are left out; None where no row, or no other column, remains."""
    rows = [tuple(row) for row in rows]
    kept = [n for n in range(len(header)) if n == 0 or any(row[n] != DASH for row in rows)]
    if len(kept) < 2:
        return None
    return Table(
        key,
        caption,
        tuple(header[n] for n in kept),
        tuple(tuple(row[n] for n in kept) for row in rows),
        tuple(notes),
    )


def numeric(table: Table) -> tuple[bool, ...]:
    """Which columns hold figures, and so are set to the right."""
    _, *columns = zip(*table.rows, strict=True)
    return False, *(all(c[:1] in f"{DASH}+-<0123456789" for c in cells) for cells in columns)


def plain(table: Table) -> str:
    """For a terminal: caption, aligned columns, notes."""
    right = numeric(table)
    widths = [max(map(len, cells)) for cells in zip(table.header, *table.rows, strict=True)]
    lines = [table.caption, ""]
    for row in (table.header, *table.rows):
        cells = zip(row, widths, right, strict=True)
        lines.append("  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in cells).rstrip())
    return "\n".join([*lines, *(("", *table.notes) if table.notes else ())]) + "\n"


def reference(report: Report) -> Subject | None:
    """The first model: what the report is about, and other times are set against."""
    return next((s for s in report.subjects if s.role == "model"), None)


def accuracy_of(subject: Subject) -> Accuracy | None:
    """None for random weights, whatever is claimed: they know nothing."""
    return None if subject.weights == "random" else subject.accuracy


def origin(found: Accuracy) -> str:
    """Where accuracy comes from."""
    return "recorded in the file" if found.recorded else "measured"


def about(report: Report) -> tuple[tuple[str, str], ...]:
    """Machine, date, command, seed, ... as (what, words); what is unknown is left out."""
    machine = report.machine
    named = (machine.board, machine.processor, machine.architecture, f"{machine.cores} cores")
    memory = f"{figure(machine.memory / 1e9)} GB of memory" if machine.memory else ""
    packages = (f"{name} {version}" for name, version in machine.packages.items())
    heat, slowed = machine.temperature, {True: "slowed down", False: "did not slow down", None: ""}
    rows = (
        ("machine", ", ".join(part for part in (*named, memory, machine.gpu) if part)),
        ("date", f"{report.started}, took {report.seconds:.0f} s"),
        ("command", report.command),
        ("seed", str(report.seed)),
        ("system", ", ".join((machine.system, f"Python {machine.python}", *packages))),
        ("CPU governor", machine.governor),
        ("temperature", f"{heat[0]:.0f} °C before, {heat[1]:.0f} °C after" if heat else ""),
        ("throttling", slowed[machine.throttled]),
        ("others' load before", percent(machine.load).strip(DASH)),
        ("energy meter", machine.meter),
    )
    return tuple((what, words) for what, words in rows if words)


def headlines(report: Report) -> tuple[str, ...]:
    """What someone in a hurry should know, a sentence each."""
    lines = []
    if model := reference(report):
        parts = [f"{megabytes(model.size.file)} on disk"]
        if model.latency and not model.refused:
            first = model.latency[0]
            took = f"{figure(first.inference.median)} ms an image ({threads(first.threads)})"
            parts.insert(0, took)
        if found := accuracy_of(model):
            value = found.metrics.get("balanced_accuracy")
            parts += [f"balanced accuracy {number(value)}, {origin(found)}"] if known(value) else []
        lines.append(f"{model.name}: {'; '.join(parts)}.")
    for saving in report.savings:
        timed = saving.latency.items()
        beside = f" against {saving.beside}" if saving.beside else ""
        parts = [f"{faster(s)} ({threads(int(n))}{beside})" for n, s in timed if known(s)]
        parts += [] if saving.file is None else [fewer(saving.file, "bytes")]
        if parts:
            lines.append(f"{saving.model} against {saving.against}: {', '.join(parts)}.")
    return tuple(lines)
