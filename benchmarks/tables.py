"""A report as tables of words, so that page, Markdown and terminal say the same.

    print(text(report), end="")

Each function is one table, None where the report has nothing for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

from .results import Operator, Report, Roof, Saving, Subject
from .words import (
    DASH,
    Table,
    about,
    accuracy_of,
    count,
    faster,
    fewer,
    figure,
    headlines,
    known,
    megabytes,
    metric,
    number,
    origin,
    percent,
    plain,
    reference,
    shortened,
    spread,
    table_of,
    threads,
)

__all__ = [
    "accuracy",
    "batches",
    "changes",
    "latency",
    "roofline",
    "savings",
    "size",
    "subjects",
    "tables",
    "text",
]

SLOWEST = 10


def _median_at(subject: Subject | None, number_of_threads: int) -> float | None:
    timed = subject.latency if subject and not subject.refused else ()
    return next((t.inference.median for t in timed if t.threads == number_of_threads), None)


def subjects(report: Report) -> Table | None:
    """What was measured."""
    rows = []
    for s in report.subjects:
        side = f"{s.input} px" if s.input else ""
        cells = (s.role, s.weights, s.runtime, s.device, s.precision, side, s.source)
        rows.append((s.name, *(cell or DASH for cell in cells)))
    header = ("subject", "role", "weights", "runtime", "device", "precision", "input", "source")
    notes = ["Random weights: only what it costs means anything."]
    random = any(s.weights == "random" for s in report.subjects)
    return table_of("subjects", "What was measured", header, rows, notes if random else ())


def _latency_notes(report: Report) -> Iterator[str]:
    runs = [found.inference.runs for s in report.subjects for found in s.latency]
    if runs:
        many = f"{min(runs)}" if min(runs) == max(runs) else f"{min(runs)} to {max(runs)}"
        yield f"Median of {many} runs, in brackets the 5th to the 95th percentile."
    if report.machine.meter:
        yield f"Energy is of the {report.machine.meter}, whatever else they did included."
    for subject in report.subjects:
        if subject.refused:
            yield f"{subject.name} is not compared: {subject.refused.rstrip('.')}."
        if known(subject.differs):
            yield f"{subject.name}: probabilities at most {subject.differs:.2g} from LiteRT's."
        if known(subject.compile):
            took = f"{figure(subject.compile)} ms"
            yield f"{subject.name}: the first call, which compiles, took {took}."


def latency(report: Report) -> Table | None:
    """One row for each subject and number of threads; a refused subject has a row at least."""
    model, rows = reference(report), []
    metered = any(known(found.energy) for s in report.subjects for found in s.latency)
    for subject in report.subjects:
        names = (subject.name, subject.runtime, subject.precision)
        for found in subject.latency:
            own = None if subject.refused else found.inference.median
            first = _median_at(model, found.threads)
            parts = (found.preprocessing, found.inference, found.postprocessing, found.total)
            rows.append(
                (
                    *names,
                    str(found.threads) if found.threads else subject.device.upper(),
                    *map(spread, parts),
                    figure(found.throughput),
                    *([figure(found.energy)] if metered else []),
                    f"{own / first:.2f}" if own and first else DASH,
                )
            )
        if subject.refused and not subject.latency:
            rows.append((*names, *[DASH] * (7 + metered)))
    header = (
        *("subject", "runtime", "precision", "threads", "preprocessing, ms", "inference, ms"),
        *("postprocessing, ms", "total, ms", "images/s"),
        *(["inference, mJ"] if metered else []),
        f"inference, {model.name} = 1" if model else "",
    )
    caption = "Latency, one image at a time"
    return table_of("latency", caption, header, rows, _latency_notes(report))


def batches(report: Report) -> Table | None:
    """Images a second by batch size."""
    rows = [
        (s.name, size, figure(rate)) for s in report.subjects for size, rate in s.batches.items()
    ]
    notes = (
        f"{s.name}: most images a second at batch {max(s.batches, key=s.batches.__getitem__)}."
        for s in report.subjects
        if s.batches
    )
    return table_of("batches", "Throughput by batch", ("subject", "batch", "images/s"), rows, notes)


def size(report: Report) -> Table | None:
    """What every subject costs but for time."""
    rows = []
    for subject in report.subjects:
        found = subject.size
        outside = ", ".join(f"{n} {kind}" for kind, n in found.outside.items())
        rows.append(
            (
                subject.name,
                megabytes(found.file),
                count(found.parameters),
                count(found.macs),
                DASH if found.partitions is None else str(found.partitions),
                outside or (DASH if found.partitions is None else "0"),
                megabytes(found.activations),
                f"{found.peak_memory / 1e6:,.0f} MB" if known(found.peak_memory) else DASH,
                spread(found.cold_start),
            )
        )
    header = (
        *("subject", "file", "parameters", "MACs", "partitions", "operators outside the delegate"),
        *("activations", "peak memory", "cold start, ms"),
    )
    note = "MB are millions of bytes. Without a file, the size is that of float32 weights alone."
    return table_of("size", "Size, memory and start", header, rows, (note,))


def _union(keys: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(key for some in keys for key in some))


def accuracy(report: Report) -> Table | None:
    """What every trained subject gets right."""
    found = [(s.name, a) for s in report.subjects if (a := accuracy_of(s))]
    metrics = _union(a.metrics for _, a in found)
    rows = []
    for name, a in found:
        cells = []
        for key in metrics:
            cell, (low, high) = number(a.metrics.get(key)), a.intervals.get(key, (math.nan,) * 2)
            cells.append(f"{cell} ({low:.3f} to {high:.3f})" if known(low) else cell)
        rows.append((name, origin(a), a.dataset, a.split, str(a.images), *cells))
    header = ("subject", "figures are", "dataset", "split", "images", *map(metric, metrics))
    note = "In brackets: 95 % bootstrap intervals."
    some = any(a.intervals for _, a in found)
    return table_of("accuracy", "Accuracy", header, rows, (note,) if some else ())


def changes(report: Report) -> Table | None:
    """Models against each other on the same images."""
    metrics = _union(change.differences for change in report.changes)
    rows = []
    for change in report.changes:
        cells = []
        for key in metrics:
            value, low, high = change.differences.get(key, (math.nan,) * 3)
            cells.append(f"{value:+.4f} ({low:+.3f} to {high:+.3f})" if known(value) else DASH)
        p = change.mcnemar
        rows.append(
            (
                f"{change.model} minus {change.against}",
                str(change.images),
                *cells,
                "< 0.001" if p < 0.001 else number(p),
                f"{change.only_model} / {change.only_other}",
                percent(change.agreement),
                number(change.attention_correlation),
                percent(change.attention_overlap),
            )
        )
    header = (
        *("models", "images", *map(metric, metrics), "McNemar p", "right: only one / other"),
        *("same class", "attention correlation", "attention overlap"),
    )
    notes = (
        "In brackets: 95 % paired bootstrap intervals; one that leaves out 0 is a difference "
        "that other images would probably show too.",
        "McNemar p: how likely chance alone splits so unevenly what only one of them gets right; "
        "too small where several images show one lesion, as it takes images as independent.",
    )
    return table_of("changes", "What changed, on the same images", header, rows, notes)


def savings(report: Report) -> Table | None:
    """Shares of other subjects, in words."""
    keys = _union(saving.latency for saving in report.savings)

    def cell(share: float | None, words: Callable[[float], str]) -> str:
        return f"{share:.3g}: {words(share)}" if share is not None and known(share) else DASH

    def row(saving: Saving) -> tuple[str, ...]:
        beside = f" on {saving.beside}" if saving.beside else ""
        return (
            f"{saving.model} against {saving.against}{beside}",
            *(cell(saving.latency.get(key), faster) for key in keys),
            cell(saving.file, lambda s: fewer(s, "bytes")),
            cell(saving.parameters, lambda s: fewer(s, "parameters")),
            cell(saving.macs, lambda s: fewer(s, "MACs")),
            cell(saving.peak_memory, lambda s: fewer(s, "memory", "less")),
        )

    header = (
        *("models", *(f"time, {threads(int(key))}" for key in keys)),
        *("file", "parameters", "MACs", "peak memory"),
    )
    return table_of("savings", "What is saved, as a share", header, map(row, report.savings))


def _operators(roof: Roof) -> Table | None:
    timed = any(known(operator.ms) for operator in roof.operators)

    def cost(operator: Operator) -> float:
        return (operator.ms if timed else operator.bound) or 0

    ranked, whole = sorted(roof.operators, key=cost, reverse=True), sum(map(cost, roof.operators))
    rows = []
    for operator in ranked[:SLOWEST]:
        ratio = operator.ms / operator.bound if operator.ms and operator.bound else None
        rows.append(
            (
                shortened(operator.name),
                operator.kind,
                count(operator.macs),
                megabytes(operator.bytes),
                figure(operator.macs / operator.bytes) if operator.bytes else DASH,
                figure(operator.ms),
                figure(operator.bound),
                figure(ratio),
                percent(cost(operator) / whole) if whole else DASH,
            )
        )
    header = (
        *("operator", "type", "MACs", "bytes moved", "MACs per byte", "time, ms"),
        *("at least, ms", "time / at least", "share of all"),
    )
    notes = [
        f"This processor, one thread, {roof.precision}: at most {count(roof.macs_per_second)} "
        f"MACs/s, and {figure(roof.bytes_per_second / 1e9)} GB/s from memory."
    ]
    if known(roof.share):
        notes.append(
            f"These bounds account for {percent(roof.share)} of the model's time. What is still in "
            "the caches need not come from memory: such an operator can beat its bound."
        )
    if known(roof.accounted):
        notes.append(f"The operators' times add up to {percent(roof.accounted)} of the model's.")
    if left := ranked[SLOWEST:]:
        rest = sum(map(cost, left)) / whole if whole else None
        notes.append(f"{len(left)} more operators left out: {percent(rest)} of all.")
    order = "slowest" if timed else "costliest by bound"
    return table_of("roofline", f"Operators of {roof.model}, {order} first", header, rows, notes)


def roofline(report: Report) -> tuple[Table, ...]:
    """The slowest operators of every model that has a roof."""
    return tuple(table for roof in report.roofs if (table := _operators(roof)))


def tables(report: Report) -> tuple[Table, ...]:
    """Every table that has a row, in the order to read them."""
    single = (subjects, latency, batches, size, accuracy, changes, savings)
    made = (make(report) for make in single)
    return (*(table for table in made if table), *roofline(report))


def text(report: Report) -> str:
    """For a terminal: machine, headlines, tables, notes."""
    parts = [f"{what}: {words}\n" for what, words in about(report)]
    if not report.complete:
        parts.append("The run was not finished: figures are missing.\n")
    parts += [f"\n{plain(table)}" for table in tables(report)]
    parts += ["\n", *(f"{line}\n" for line in (*headlines(report), *report.notes))]
    return "".join(parts)
