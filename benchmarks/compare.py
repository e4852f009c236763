"""What got worse between two reports of the benchmark, told apart from a slower day.

    rows = compare(new, old)
    print(text(rows))
    sys.exit(regressed(rows))

A machine that is warm, busy or clocked down is slower at everything. So no millisecond of one
report is held against one of the other; compared is each subject's time as a multiple of a
yardstick's in the same report. The yardstick is what SkinEdge's own models do not touch, where
both reports timed it on the processor and it is the same work in both: the full-precision
baseline, else a published network, else a peer that runs a model whose file did not change; of
equals the one with the same number of threads. Without any it is the last model whose file did
not change, which leaves the others to be judged. A model alone is set against the roof, for one
thread. What slows the yardstick and the subject alike is not seen, and of a yardstick itself no
time is judged. Between different machines even multiples change: no time is judged, nor memory.

Only models are judged: a slower peer is no fault of SkinEdge's. What the old report has of a model
and the new one lacks counts as worse.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .results import Accuracy, Change, Machine, Report, Size, Subject
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
from .yardstick import Pairs, Yardstick, ours, time_of, yardstick

__all__ = ["LIKENESS_FALL", "METRIC_FALL", "NOISY", "Row", "compare", "regressed", "text"]

# On the same images; what rounding moves by itself is below.
METRIC_FALL = 0.003
LIKENESS_FALL = 0.01
# Two runs on one idle machine agree within 3 % on inference, and within 20 % on these.
NOISY = 0.25
STEADY = ("inference", "total")
TIMES = (*STEADY, "preprocessing", "postprocessing", "throughput")
LOWER_IS_BETTER = ("expected_calibration_error", "brier_score")
LIKENESSES = ("agreement", "attention_correlation", "attention_overlap")
MISSING = "missing now"
NOT_OURS = "not SkinEdge's, not judged"
OTHER_IMAGES = "not judged: of other images, or not of this run"


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
        judged: whether it could be `regressed`.
    """

    subject: str
    figure: str
    old: str = DASH
    new: str = DASH
    ratio: float | None = None
    regressed: bool = False
    note: str = ""
    judged: bool = False


def _same_machine(new: Machine, old: Machine) -> str:
    """Why times cannot be compared; empty where they can."""
    for what in ("processor", "board", "architecture", "cores", "gpu"):
        before, now = getattr(old, what), getattr(new, what)
        if before != now:
            return f"another {what}: {before or 'unknown'}, now {now or 'unknown'}"
    return "" if new.processor or new.board else "neither report names its processor"


def _multiple(
    now: Subject, before: Subject, n: int, what: str, by: Yardstick, allowed: float, same: bool
) -> Row | None:
    """One time, or images a second, in units of the yardstick; None unless both have it."""
    a, b = (time_of(s, n, what) for s in (before, now))
    if not a or not b:
        return None
    rate = what == "throughput"
    a, b = (a * by.old, b * by.new) if rate else (a / by.old, b / by.new)
    ratio, cost = b / a, a / b if rate else b / a
    more = allowed if what in STEADY and by.role != "roof" else max(allowed, NOISY)
    judged = same and ours(now)
    doubt = "or the yardstick got slower" if by.role == "model" and cost < 1 - more else ""
    shown = f"{what}, {in_words(n)}, {by.name} = 1"
    # Images in the time of one yardstick: its time is in ms, they are counted by the second.
    one, other = (f"{v / 1000 if rate else v:.3g}" for v in (a, b))
    note = doubt if ours(now) else NOT_OURS
    return Row(now.name, shown, one, other, ratio, judged and cost > 1 + more, note, judged)


def _times(pairs: Pairs, new: Report, old: Report, allowed: float, same: bool) -> Iterator[Row]:
    shown: set[tuple[str, int]] = set()
    for n in sorted({t.threads for _, s in pairs for t in s.latency}):
        by = yardstick(pairs, new, old, n)
        if by and (by.name, by.threads) not in shown:
            shown.add((by.name, by.threads))
            what, note = f"inference, {in_words(by.threads)}, ms", "the yardstick, not judged"
            yield Row(by.name, what, figure(by.old), figure(by.new), by.new / by.old, note=note)
        for now, before in pairs:
            if by and now.name != by.name:
                rows = (_multiple(now, before, n, what, by, allowed, same) for what in TIMES)
                yield from filter(None, rows)
            a, b = (time_of(s, n, "inference") for s in (before, now))
            if not by and a and b:
                what, note = f"inference, {in_words(n)}, ms", "not judged: there is no yardstick"
                yield Row(now.name, what, figure(a), figure(b), b / a, note=note)


def _lost(subject: Subject, what: str, before: str, same: bool = True) -> Row:
    """A figure that the old report alone has."""
    judged = same and ours(subject)
    return Row(subject.name, what, before, regressed=judged, note=MISSING, judged=judged)


def _lost_times(now: Subject, before: Subject, same: bool) -> Iterator[Row]:
    if now.refused:
        return
    for n in sorted(t.threads for t in before.latency):
        for what in TIMES:
            value = time_of(before, n, what)
            if value and not time_of(now, n, what):
                unit = "" if what == "throughput" else ", ms"
                yield _lost(now, f"{what}, {in_words(n)}{unit}", figure(value), same)


def _cold(now: Subject, before: Subject, same: bool) -> Iterator[Row]:
    old, new = before.size.cold_start, now.size.cold_start
    if old is None or not known(old.median) or not old.median:
        return
    if new is None or not known(new.median):
        yield _lost(now, "cold start, ms", figure(old.median), same)
        return
    note = "not judged: caches of the disk decide it"
    words, ratio = (figure(old.median), figure(new.median)), new.median / old.median
    yield Row(now.name, "cold start, ms", *words, ratio, note=note)


def _sizes(subject: Subject, old: Size, allowed: float, same: bool) -> Iterator[Row]:
    """A byte more is worse, but in memory, which the system rounds and shares."""
    new, name, note = subject.size, subject.name, "" if ours(subject) else NOT_OURS
    figures = (
        ("file", old.file, new.file, megabytes, 0.0),
        ("parameters", old.parameters, new.parameters, count, 0.0),
        ("MACs", old.macs, new.macs, count, 0.0),
        ("partitions", old.partitions, new.partitions, count, 0.0),
        ("activations", old.activations, new.activations, megabytes, 0.0),
        ("peak memory", old.peak_memory, new.peak_memory, megabytes, allowed),
    )
    for what, before, now, words, more in figures:
        comparable = same or what != "peak memory"
        if before is None or not known(before):
            continue
        if now is None or not known(now):
            yield _lost(subject, what, words(before), comparable)
            continue
        ratio = now / before if before else None
        judged = ours(subject) and comparable
        worse = judged and now > before * (1 + more)
        yield Row(name, what, words(before), words(now), ratio, worse, note, judged)
    if old.partitions is not None and new.partitions is not None:
        before, now = sum(old.outside.values()), sum(new.outside.values())
        if before or now:
            what, ratio = "operators outside", now / before if before else None
            judged = ours(subject)
            worse = judged and now > before
            yield Row(name, what, str(before), str(now), ratio, worse, note, judged)


def _answered(found: Accuracy | None) -> str:
    """What was answered; empty for nothing."""
    if found is None:
        return ""
    return f"{found.dataset}, {found.split}, {found.images} images, {origin(found)}"


def _accuracies(new: Subject, old: Subject) -> Iterator[Row]:
    now, before = accuracy_of(new), accuracy_of(old)
    if before is None:
        return
    if now is None:
        yield _lost(new, "accuracy", _answered(before))
        return
    if _answered(now) != _answered(before):
        yield Row(new.name, "accuracy", _answered(before), _answered(now), note=OTHER_IMAGES)
        return
    for key, other in before.metrics.items():
        value = now.metrics.get(key)
        if other is None or not known(other):
            continue
        if value is None or not known(value):
            yield _lost(new, metric(key), f"{other:.4f}")
            continue
        fall = value - other if key in LOWER_IS_BETTER else other - value
        low, high = before.intervals.get(key, (value, value))
        inside = not known(low) or not known(high) or low <= value <= high
        notes = ("" if inside else "beyond the old 95 % interval", "" if ours(new) else NOT_OURS)
        ratio, judged = value / other if other else None, ours(new)
        worse, note = judged and fall > METRIC_FALL, "; ".join(filter(None, notes))
        yield Row(new.name, metric(key), f"{other:.4f}", f"{value:.4f}", ratio, worse, note, judged)


def _likenesses(pairs: Pairs, new: Report, old: Report) -> Iterator[Row]:
    """How like a model's answers and maps are to another's."""
    of = {now.name: (now, before) for now, before in pairs}
    changes = {(change.model, change.against): change for change in new.changes}
    for before in old.changes:
        if before.model in of:
            yield from _likeness(
                *of[before.model], changes.get((before.model, before.against)), before
            )


def _likeness(subject: Subject, was: Subject, now: Change | None, before: Change) -> Iterator[Row]:
    one, other = accuracy_of(subject), accuracy_of(was)
    elsewhere = one is not None and _answered(one) != _answered(other)
    if elsewhere or (now is not None and now.images != before.images):
        yield Row(subject.name, f"likeness to {before.against}", note=OTHER_IMAGES)
        return
    for key in LIKENESSES:
        what, a = f"{metric(key)}, {before.against}", getattr(before, key)
        b = getattr(now, key) if now else None
        if not known(a):
            continue
        if not known(b):
            yield _lost(subject, what, f"{a:.4f}")
            continue
        judged, ratio = ours(subject), b / a if a else None
        worse, note = judged and a - b > LIKENESS_FALL, "" if judged else NOT_OURS
        yield Row(subject.name, what, f"{a:.4f}", f"{b:.4f}", ratio, worse, note, judged)


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
    for subject in new.subjects:
        if subject.name not in names[1]:
            yield Row(subject.name, "subject", note="only in the new report")
    for subject in old.subjects:
        if subject.name not in names[0]:
            yield _lost(subject, "subject", DASH)


def compare(new: Report, old: Report, tolerance: float = 0.05) -> list[Row]:
    """Every figure of the old report, beside the new one's of subjects of the same name.

    Args:
        new: what is judged.
        old: what it is judged by.
        tolerance: how much larger an inference or a whole prediction, as a multiple of the
            yardstick, or a process's memory may get: 0.05 is 5 %. Its stages, images a second and
            what is set against the roof may get worse by `NOISY`, if that is more. Sizes,
            partitions and operators outside the delegate may not grow at all; no metric may fall
            by more than `METRIC_FALL`, and no agreement with another model, of answers or of
            maps, by more than `LIKENESS_FALL`.
    """
    by_name = {subject.name: subject for subject in old.subjects}
    pairs = [(s, by_name[s.name]) for s in new.subjects if s.name in by_name]
    apart = _same_machine(new.machine, old.machine)
    same = not apart
    rows = list(_context(new, old, apart))
    for subject, before in pairs:
        if subject.refused != before.refused:
            note = f"refused: {subject.refused}" if subject.refused else "not refused any more"
            judged = ours(subject)
            worse = judged and bool(subject.refused)
            rows.append(Row(subject.name, "subject", regressed=worse, note=note, judged=judged))
    rows += _times(pairs, new, old, tolerance, same)
    for subject, before in pairs:
        rows += _lost_times(subject, before, same)
        rows += _sizes(subject, before.size, tolerance, same)
        rows += _cold(subject, before, same)
        rows += _accuracies(subject, before)
    rows += _likenesses(pairs, new, old)
    return rows


def regressed(rows: list[Row]) -> bool:
    """Whether anything got worse."""
    return any(row.regressed for row in rows)


def text(rows: list[Row]) -> str:
    """For a terminal: what is not the same, and how much was judged at all."""
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
        if row.ratio != 1 or row.regressed or row.note not in ("", NOT_OURS)
    )
    header = ("subject", "figure", "old", "new", "new / old", "verdict")
    table = table_of("compare", "Against the earlier report", header, cells)
    worse, judged = sum(row.regressed for row in rows), [row for row in rows if row.judged]
    total = f"{worse or 'None'} of {len(judged)} judged figures got worse."
    if not any(row.figure.split(",")[0] in TIMES for row in judged):
        total += " No time was judged."
    return f"{plain(table)}\n{total}" if table else total
