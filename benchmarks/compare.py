"""What got worse between two reports of the benchmark, told apart from a slower day.

    rows = compare(new, old)
    print(text(rows))
    sys.exit(regressed(rows))

A machine that is warm, busy or clocked down is slower at everything. So no millisecond of one
report is held against one of the other; compared is each subject's time as a multiple of a
yardstick's in the same report. The yardstick is what SkinEdge's own models do not touch, where
both reports timed it and it is the same in both: the full-precision baseline, else a published
network, else a peer; with the same number of threads if there is one. Only without any it is the
last of the models, which at least leaves the first to be judged. What slows the yardstick and
the subject alike is not seen, and of a yardstick itself no time is judged. Between different
machines even multiples change, and none is judged.

Files, partitions and accuracy do not depend on the machine, and are judged always.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .results import Latency, Machine, Report, Size, Spread, Subject
from .words import (
    DASH,
    accuracy_of,
    count,
    figure,
    known,
    megabytes,
    metric,
    origin,
    plain,
    table_of,
)
from .words import threads as in_words

__all__ = ["METRIC_FALL", "Row", "compare", "regressed", "text"]

# On the same images; what rounding moves by itself is below.
METRIC_FALL = 0.003
YARDSTICKS = ("baseline", "published", "peer", "model")
LOWER_IS_BETTER = ("expected_calibration_error", "brier_score")


@dataclass(frozen=True)
class Row:
    """One figure of both reports.

    Attributes:
        subject: its name; empty for what concerns the whole report.
        figure: what is compared.
        old, new: in words; a dash where a report does not have it.
        ratio: new by old; None where there is none.
        regressed: whether it got worse by more than is allowed.
        note: what a reader must know to judge it.
    """

    subject: str
    figure: str
    old: str = DASH
    new: str = DASH
    ratio: float | None = None
    regressed: bool = False
    note: str = ""


def _same_machine(new: Machine, old: Machine) -> str:
    """Why times cannot be compared; empty where they can."""
    for what in ("processor", "board", "architecture", "cores", "gpu"):
        before, now = getattr(old, what), getattr(new, what)
        if before != now:
            return f"another {what}: {before or 'unknown'}, now {now or 'unknown'}"
    return "" if new.processor or new.board else "neither report names its processor"


def _timed(subject: Subject, number_of_threads: int) -> Latency | None:
    timed = () if subject.refused else subject.latency
    return next((t for t in timed if t.threads == number_of_threads and t.inference.median), None)


def _identity(subject: Subject) -> tuple[object, ...]:
    """What makes a time the time of the same work."""
    size = subject.size
    return (subject.runtime, subject.device, subject.precision, subject.input, size.macs)


def _yardstick(pairs: list[tuple[Subject, Subject]], n: int) -> tuple[Subject, int] | None:
    """The yardstick for `n` threads, and how many it was timed with itself."""
    found = []
    for place, (now, before) in enumerate(pairs):
        if now.role not in YARDSTICKS or _identity(now) != _identity(before):
            continue
        own, rank = now.role == "model", YARDSTICKS.index(now.role)
        for m in [n] if own else sorted(t.threads for t in now.latency):
            if _timed(now, m) and _timed(before, m):
                found.append((own, m != n, rank, -place if own else place, m, now))
    if not found:
        return None
    *_, m, best = min(found, key=lambda f: f[:5])
    return best, m


def _median(report: Report, name: str, number_of_threads: int) -> float:
    (found,) = (s for s in report.subjects if s.name == name)
    timed = _timed(found, number_of_threads)
    assert timed is not None
    return timed.inference.median


def _times(
    pairs: list[tuple[Subject, Subject]], new: Report, old: Report, allowed: float, judged: bool
) -> Iterator[Row]:
    shown_before: set[tuple[str, int]] = set()
    numbers = {t.threads for s, _ in pairs for t in s.latency}
    for n in sorted(numbers & {t.threads for _, s in pairs for t in s.latency}):
        found = _yardstick(pairs, n)
        if found is None:
            note = "nothing that is the same in both reports was timed in both"
            yield Row("", f"time, {in_words(n)}", note=note)
            continue
        yardstick, m = found
        name, then, now = yardstick.name, *(_median(r, yardstick.name, m) for r in (old, new))
        timed = [(s.name, _timed(s, n), _timed(before, n)) for s, before in pairs]
        others = [(s, a, b) for s, a, b in timed if a and b and s != name]
        note = "the yardstick, not judged" + ("" if others else ": nothing to compare it with")
        if (m == n or others) and (name, m) not in shown_before:
            shown_before.add((name, m))
            what = f"inference, {in_words(m)}, ms"
            yield Row(name, what, figure(then), figure(now), now / then, note=note)
        for subject, mine, theirs in others:
            shown = f"{in_words(n)}, {name} = 1"
            for what in ("inference", "total"):
                a, b = getattr(theirs, what), getattr(mine, what)
                if not a or not b or not a.median:
                    continue
                old_words, new_words = f"{a.median / then:.3g}", f"{b.median / now:.3g}"
                ratio = (b.median / now) / (a.median / then)
                worse = judged and ratio > 1 + allowed
                doubt = yardstick.role == "model" and ratio < 1 - allowed
                note = "or the yardstick got slower" if doubt else ""
                yield Row(subject, f"{what}, {shown}", old_words, new_words, ratio, worse, note)


def _cold(name: str, old: Spread | None, new: Spread | None) -> Iterator[Row]:
    if old and new and old.median:
        note = "not judged: caches of the disk decide it"
        old_words, new_words = figure(old.median), figure(new.median)
        ratio = new.median / old.median
        yield Row(name, "cold start, ms", old_words, new_words, ratio, note=note)


def _sizes(name: str, old: Size, new: Size, allowed: float) -> Iterator[Row]:
    """A byte more is worse, but in memory, which the system rounds and shares."""
    figures = (
        ("file", old.file, new.file, megabytes, 0.0),
        ("parameters", old.parameters, new.parameters, count, 0.0),
        ("MACs", old.macs, new.macs, count, 0.0),
        ("partitions", old.partitions, new.partitions, count, 0.0),
        ("activations", old.activations, new.activations, megabytes, 0.0),
        ("peak memory", old.peak_memory, new.peak_memory, megabytes, allowed),
    )
    for what, before, now, words, more in figures:
        if before is None or now is None or not known(before) or not known(now):
            continue
        ratio = now / before if before else None
        yield Row(name, what, words(before), words(now), ratio, now > before * (1 + more))
    if old.partitions is not None and new.partitions is not None:
        before, now = sum(old.outside.values()), sum(new.outside.values())
        if before or now:
            what, ratio = "operators outside", now / before if before else None
            yield Row(name, what, str(before), str(now), ratio, now > before)


def _accuracies(new: Subject, old: Subject) -> Iterator[Row]:
    now, before = accuracy_of(new), accuracy_of(old)
    if now is None or before is None:
        return
    first, second = (
        f"{a.dataset}, {a.split}, {a.images} images, {origin(a)}" for a in (before, now)
    )
    if first != second:
        yield Row(
            new.name,
            "accuracy",
            first,
            second,
            note="not judged: of other images, or not of this run",
        )
        return
    for key, value in now.metrics.items():
        other = before.metrics.get(key)
        if value is None or other is None or not known(value) or not known(other):
            continue
        fall = value - other if key in LOWER_IS_BETTER else other - value
        low, high = before.intervals.get(key, (value, value))
        note = "" if low <= value <= high else "beyond the old 95 % interval"
        ratio = value / other if other else None
        worse = fall > METRIC_FALL
        yield Row(new.name, metric(key), f"{other:.4f}", f"{value:.4f}", ratio, worse, note)


def _context(new: Report, old: Report, apart: str) -> Iterator[Row]:
    if apart:
        yield Row("", "machine", note=f"{apart}; no time is judged")
    for report, which in ((old, "old"), (new, "new")):
        if not report.complete:
            yield Row("", "report", note=f"the {which} run was not finished")
        if report.machine.load is not None and report.machine.load > 0.2:
            note = f"the {which} machine was not idle: others used {report.machine.load:.0%} of it"
            yield Row("", "load", note=note)
        if report.machine.throttled:
            yield Row("", "throttling", note=f"the {which} machine slowed down meanwhile")
    names = {s.name for s in new.subjects}, {s.name for s in old.subjects}
    for subject in (*new.subjects, *old.subjects):
        if subject.name not in names[0] & names[1]:
            note = "only in the new report" if subject.name in names[0] else "missing now"
            yield Row(subject.name, "subject", note=note)


def compare(new: Report, old: Report, tolerance: float = 0.05) -> list[Row]:
    """Every figure that both reports have, of subjects of the same name.

    Args:
        new: what is judged.
        old: what it is judged by.
        tolerance: how much larger a time, as a multiple of the yardstick's, or a process's memory
            may get: 0.05 is 5 %. Sizes, partitions and operators outside the delegate may not
            grow at all, and no metric may fall by more than `METRIC_FALL`.
    """
    by_name = {subject.name: subject for subject in old.subjects}
    pairs = [(s, by_name[s.name]) for s in new.subjects if s.name in by_name]
    apart = _same_machine(new.machine, old.machine)
    rows = list(_context(new, old, apart))
    for subject, before in pairs:
        if subject.refused != before.refused:
            note = f"refused: {subject.refused}" if subject.refused else "not refused any more"
            rows.append(Row(subject.name, "subject", note=note))
    rows += _times(pairs, new, old, tolerance, judged=not apart)
    for subject, before in pairs:
        rows += _sizes(subject.name, before.size, subject.size, tolerance)
        rows += _cold(subject.name, before.size.cold_start, subject.size.cold_start)
        rows += _accuracies(subject, before)
    return rows


def regressed(rows: list[Row]) -> bool:
    """Whether anything got worse."""
    return any(row.regressed for row in rows)


def text(rows: list[Row]) -> str:
    """For a terminal: what is not the same."""
    cells = (
        (
            row.subject or "report",
            row.figure,
            row.old,
            row.new,
            DASH if row.ratio is None else f"{row.ratio:.3f}",
            "; ".join(filter(None, ("WORSE" if row.regressed else "", row.note))) or DASH,
        )
        for row in rows
        if row.ratio != 1 or row.regressed or row.note
    )
    header = ("subject", "figure", "old", "new", "new / old", "verdict")
    table = table_of("compare", "Against the earlier report", header, cells)
    worse, figures = sum(row.regressed for row in rows), sum(row.ratio is not None for row in rows)
    total = f"{worse or 'None'} of {figures} figures got worse."
    return f"{plain(table)}\n{total}" if table else total
