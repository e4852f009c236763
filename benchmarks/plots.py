"""A report as figures; each function gives a PNG, or None where there is nothing to draw.

A refused subject is in no figure of time: it was not timed as equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .drawing import (
    BLUE,
    GREY,
    LARGEST,
    ORANGE,
    ROLES,
    THREADS,
    Mark,
    canvas,
    label,
    legend,
    log,
    png,
    safe,
)
from .results import Latency, Report, Subject
from .roofline import roofline
from .words import accuracy_of, figure, known, megabytes, origin, percent, reference
from .words import threads as in_words

__all__ = ["figures", "pareto", "roofline", "threads", "waterfall"]

SMALLEST = 20
LEAST_SPAN = 0.08


def _compared(report: Report) -> list[Subject]:
    return [s for s in report.subjects if s.latency and not s.refused]


def _timed_alike(subjects: Sequence[Subject]) -> tuple[int, list[Latency]]:
    """The number of threads that most were timed with, the fewest of equals, and the times.

    One that was not timed so has its first time.
    """
    often = Counter(found.threads for s in subjects for found in s.latency)
    most = min(often, key=lambda n: (-often[n], n))
    return most, [next((t for t in s.latency if t.threads == most), s.latency[0]) for s in subjects]


@dataclass(frozen=True)
class _Point:
    """A subject in the plot of time and accuracy; `set` says on which images it was judged."""

    text: str
    role: str
    time: Latency
    area: float
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    set: tuple[str, str, int] | None = None
    origin: str = ""


def _point(subject: Subject, time: Latency, most: int, largest: int) -> _Point:
    text = f"{safe(subject.name)}, {megabytes(subject.size.file)}"
    text += f", {in_words(time.threads)}" if time.threads != most else ""
    area = max(SMALLEST, LARGEST * subject.size.file / max(largest, 1))
    found = accuracy_of(subject)
    value = found.metrics.get("balanced_accuracy") if found else None
    if found is None or not known(value):
        return _Point(text, subject.role, time, area)
    judged = (found.dataset, found.split, found.images)
    interval = found.intervals.get("balanced_accuracy")
    return _Point(text, subject.role, time, area, value, interval, judged, origin(found))


def _draw(axes: Axes, point: _Point, y: float, filled: bool = True) -> Mark:
    (colour, shape), time = ROLES.get(point.role, (GREY, "o")), point.time.inference
    face = colour if filled else "none"
    look: dict[str, Any] = {
        "c": face,
        "marker": shape,
        "edgecolors": colour,
        "alpha": 0.75,
        "zorder": 3,
    }
    axes.scatter(time.median, y, point.area, **look)
    axes.plot([time.p5, time.p95], [y, y], color=GREY, linewidth=1, zorder=2)
    if point.interval:
        axes.plot([time.median] * 2, point.interval, color=GREY, linewidth=1, zorder=2)
    return time.median, y, np.sqrt(point.area) * (0.71 if shape == "D" else 0.5), point.text


def _judged(axes: Axes, points: Sequence[_Point]) -> list[Mark]:
    """Those with an accuracy, and the frontier of those judged on the first one's images."""
    marks, best = [], -1.0
    frontier: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda p: (p.time.inference.median, -(p.accuracy or 0))):
        same = point.set == points[0].set
        value = point.accuracy or 0.0
        if not same and point.set:
            point = replace(point, text=f"{point.text}, on {' '.join(map(str, point.set[:2]))}")
        marks.append(_draw(axes, point, value, same))
        if same and value > best:
            best = value
            frontier.append((point.time.inference.median, value))
    line: dict[str, Any] = {
        "color": "black",
        "linestyle": "--",
        "linewidth": 1,
        "drawstyle": "steps-post",
    }
    axes.plot(*zip(*frontier, strict=True), **line)
    axes.set_ylabel("balanced accuracy")
    axes.margins(y=0.25)
    # A difference of a thousandth is to look like one.
    low, high = axes.get_ylim()
    wider = max(0.0, LEAST_SPAN - (high - low)) / 2
    axes.set_ylim(low - wider, high + wider)
    axes.grid(alpha=0.25)
    return marks


def pareto(report: Report) -> bytes | None:
    """Inference time against balanced accuracy, area for file size; below, what has no accuracy."""
    subjects = _compared(report)
    if not subjects:
        return None
    most, times = _timed_alike(subjects)
    largest = max(s.size.file for s in subjects)
    pairs = zip(subjects, times, strict=True)
    points = [_point(subject, time, most, largest) for subject, time in pairs]
    judged = [p for p in points if p.accuracy is not None]
    others = [p for p in points if p.accuracy is None]
    heights = [3.6] * bool(judged) + [0.4 + 0.5 * len(others)] * bool(others)
    drawing = canvas(9, sum(heights) + 0.8)
    column = drawing.subplots(
        len(heights),
        1,
        sharex=True,
        squeeze=False,
        height_ratios=heights,
        gridspec_kw={"hspace": 0.06},
    )[:, 0]
    lowest, marks = column[-1], []
    if judged:
        marks.append((column[0], _judged(column[0], judged)))
    if others:
        marks.append((lowest, [_draw(lowest, p, -row) for row, p in enumerate(others)]))
        lowest.set_ylim(0.6 - len(others), 0.6)
        lowest.set_yticks([])
        lowest.set_ylabel("accuracy not\nmeasured", rotation=0, ha="right", va="center", fontsize=9)
        lowest.set_facecolor("#f4f4f4")
    medians = [p.time.inference.median for p in points]
    lowest.set_xlim(min(medians) / 2.5, max(medians) * 2.5)
    log(lowest, "x")
    lowest.set_xlabel(f"median time of one image in ms, {in_words(most)} (area: size of the file)")
    legend(lowest, {role: ROLES[role] for role in ROLES if role in {p.role for p in points}})
    for axes, drawn in marks:
        label(axes, drawn)
    if judged and (images := judged[0].set):
        said = " and ".join(dict.fromkeys(p.origin for p in judged))
        title = "accuracy on {}, {}, {} images, {}; dashed: nothing is both faster and better"
        column[0].set_title(title.format(*images, said), fontsize=9, loc="left")
    return png(drawing)


def _steps(report: Report) -> list[Subject]:
    """The largest published network, then the model's own forms, each smaller than the last."""
    last = reference(report)
    if last is None:
        return []
    against = {saving.against for saving in report.savings if saving.model == last.name}
    own = [
        s
        for s in report.subjects
        if s.role in ("baseline", "model") and s.size.file > last.size.file
    ]
    # One known from its paper alone has no runtime: an ensemble would dwarf every step.
    published = [s for s in report.subjects if s.role == "published" and s.runtime]
    own = [s for s in own if s.name in against] if against else own
    first = sorted(published, key=lambda s: s.size.file)[-1:]
    chain = [*first, *sorted(own, key=lambda s: -s.size.file), last]
    return [s for n, s in enumerate(chain) if n == 0 or s.size.file < chain[n - 1].size.file]


def _why(before: Subject, after: Subject) -> str:
    fewer = (after.size.parameters or 0) < 0.9 * (before.size.parameters or 0)
    narrower = before.precision != after.precision
    parts = ["fewer parameters"] * fewer + [f"{before.precision} to {after.precision}"] * narrower
    return " and ".join(parts) or "leaner file"


def waterfall(report: Report) -> bytes | None:
    """Bytes from the largest network to the model, step by step."""
    steps = _steps(report)
    if len(steps) < 2:
        return None
    whole = steps[0].size.file
    bars = []
    for n, subject in enumerate(steps):
        size = subject.size.file
        if n:
            gone = steps[n - 1].size.file - size
            text = f"−{megabytes(gone)} (−{percent(gone / whole)})"
            bars.append((_why(steps[n - 1], subject), size, gone, ORANGE, text))
        share = (
            "" if n == 0 else f" ({percent(size / whole)}, {figure(whole / size)} times smaller)"
        )
        bars.append((safe(subject.name), 0, size, BLUE, megabytes(size) + share))
    drawing = canvas(9, 0.45 * len(bars) + 0.8)
    axes = drawing.subplots()
    for row, (_, start, length, colour, text) in enumerate(bars):
        axes.barh(row, length / 1e6, left=start / 1e6, color=colour, height=0.6)
        end = (start + length) / 1e6
        axes.annotate(text, (end, row), (5, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(bars)), [name for name, *_ in bars])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.5 * whole / 1e6)
    axes.set_xlabel("size in MB, millions of bytes (orange: what the step saves)")
    axes.spines[["top", "right"]].set_visible(False)
    return png(drawing)


def threads(report: Report) -> bytes | None:
    """A bar for each subject and number of threads."""
    subjects = _compared(report)
    if not subjects:
        return None
    numbers = sorted({time.threads for s in subjects for time in s.latency})
    colours = {n: THREADS[index % len(THREADS)] for index, n in enumerate(numbers)}
    drawing = canvas(9, 0.3 * sum(len(s.latency) + 0.6 for s in subjects) + 0.9)
    axes = drawing.subplots()
    row, ticks, longest = 0.0, [], 0.0
    for subject in subjects:
        ticks.append(row + (len(subject.latency) - 1) / 2)
        for time in subject.latency:
            found = time.inference
            longest = max(longest, found.median, found.p95)
            axes.barh(row, found.median, 0.85, color=colours[time.threads])
            axes.plot([found.p5, found.p95], [row, row], color="black", linewidth=1)
            end, text = (max(found.median, found.p95), row), f"{figure(found.median)} ms"
            axes.annotate(text, end, (5, 0), textcoords="offset points", va="center", fontsize=8)
            row += 1
        row += 0.6
    axes.set_yticks(ticks, [safe(s.name) for s in subjects])
    axes.set_ylim(row - 0.8, -0.8)
    axes.set_xlim(0, 1.15 * longest)
    axes.set_xlabel("median time of one image in ms; line: 5th to 95th percentile")
    axes.spines[["top", "right"]].set_visible(False)
    legend(axes, {in_words(n): (colours[n], "s") for n in numbers})
    return png(drawing)


def figures(report: Report) -> dict[str, bytes]:
    """Every figure that has something to show, by the name of its function."""
    made = {make.__name__: make(report) for make in (pareto, threads, waterfall, roofline)}
    return {name: image for name, image in made.items() if image}
