"""What the report's figures share: colours, axes, and labels that cover nothing."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FuncFormatter, LogLocator
from matplotlib.transforms import Bbox

__all__ = [
    "BLUE",
    "GREY",
    "KINDS",
    "LARGEST",
    "ORANGE",
    "ROLES",
    "THREADS",
    "Mark",
    "canvas",
    "label",
    "legend",
    "log",
    "png",
    "safe",
]

# Okabe and Ito's colours, told apart by every kind of eye; shapes say the same once more.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#595959"
ROLES = {
    "model": (BLUE, "o"),
    "baseline": (ORANGE, "s"),
    "peer": (GREEN, "^"),
    "published": (RED, "D"),
}
KINDS = {
    "CONV_2D": (BLUE, "o"),
    "DEPTHWISE_CONV_2D": (ORANGE, "s"),
    "FULLY_CONNECTED": (GREEN, "^"),
    "other": (RED, "D"),
}
THREADS = (BLUE, "#56B4E9", GREEN, ORANGE, "#CC79A7")
SIDES = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))
DISTANCES = (3, 16, 32, 48)
# The largest mark, square points.
LARGEST = 900
Mark = tuple[float, float, float, str]


def canvas(width: float, height: float) -> Figure:
    """A figure that can measure its own text, and needs no screen."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as a PNG, margins cut."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=120, bbox_inches="tight")
    return out.getvalue()


def safe(name: str, longest: int = 40) -> str:
    """A name is no formula, and leaves room for the figure."""
    name = name if len(name) <= longest else name[: longest - 1] + "…"
    return name.replace("$", r"\$")


def log(axes: Axes, which: str) -> None:
    """A logarithmic axis with plain numbers, 1, 2 and 5 of each power where it is short."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    low, high = axis.get_view_interval()
    steps = (1.0, 2.0, 5.0) if high / low < 500 else (1.0,)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(FuncFormatter(lambda value, _: ""))


def legend(axes: Axes, marks: dict[str, tuple[str, str]], title: str = "") -> None:
    """Below the axes, where no point can be."""
    handles = [
        Line2D([], [], color=colour, marker=shape, linestyle="", label=name)
        for name, (colour, shape) in marks.items()
    ]
    axes.legend(
        handles=handles,
        title=title or None,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        borderaxespad=5,
        ncols=4,
        frameon=False,
        title_fontsize=8,
        fontsize=8,
    )


def label(axes: Axes, marks: Sequence[Mark]) -> None:
    """Each mark's text beside it, where it covers no other mark and no other text if it can.

    Args:
        axes: with its limits set: labels are measured on it.
        marks: x, y, radius in points, text; without text, it is only kept clear.
    """
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    assert isinstance(figure.canvas, FigureCanvasAgg)
    renderer = figure.canvas.get_renderer()  # type: ignore[no-untyped-call]
    point = figure.dpi / 72
    centres = [axes.transData.transform((x, y)) for x, y, _, _ in marks]
    taken = [
        Bbox([at - radius * point, at + radius * point])
        for at, (_, _, radius, _) in zip(centres, marks, strict=True)
    ]
    for x, y, radius, text in marks:
        if not text:
            continue
        tried: list[tuple[int, int, Annotation, Bbox]] = []
        for far in DISTANCES:
            for right, up in SIDES:
                away = (radius + far) / np.hypot(right, up)
                note = axes.annotate(
                    text,
                    (x, y),
                    (right * away, up * away),
                    textcoords="offset points",
                    ha=("center", "left", "right")[right],
                    va=("center", "bottom", "top")[up],
                    fontsize=8,
                    path_effects=[withStroke(linewidth=2, foreground="white")],
                    zorder=4,
                    arrowprops={"arrowstyle": "-", "color": GREY, "lw": 0.6} if far > 3 else None,
                )
                note.update_positions(renderer)
                box = Text.get_window_extent(note, renderer)  # without its arrow
                inside = axes.bbox.contains(*box.min) and axes.bbox.contains(*box.max)
                tried.append((box.count_overlaps(taken) + (not inside), len(tried), note, box))
        best = min(tried)
        taken.append(best[3])
        for _, _, note, _ in tried:
            if note is not best[2]:
                note.remove()
