"""The roofline: what every operator reaches, under what the processor could.

After Williams, Waterman and Patterson (CACM 52, 2009), in multiply-accumulates: an operator that
needs many of them for each byte it moves is bound by arithmetic, the others by memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .drawing import KINDS, LARGEST, Mark, canvas, label, legend, log, png, safe
from .results import Report, Roof
from .words import figure, shortened

__all__ = ["roofline"]

NAMED = 5
# Of the model's MACs: an operator with fewer is far below any roof and squeezes all others.
LEAST = 0.001


def _under(axes: Axes, roof: Roof) -> None:
    timed = any(operator.ms for operator in roof.operators)
    least = LEAST * sum(operator.macs for operator in roof.operators)
    counted = [(o, (o.ms if timed else o.bound) or 0) for o in roof.operators]
    whole = sum(ms for _, ms in counted)
    drawn = [(o, ms) for o, ms in counted if o.macs > least and o.bytes and ms]
    peak, slope = roof.macs_per_second / 1e9, roof.bytes_per_second / 1e9
    ridge, intensity = peak / slope, [o.macs / o.bytes for o, _ in drawn]
    span = np.geomspace(min([*intensity, ridge]) / 4, max([*intensity, ridge]) * 6, 200)
    axes.plot(span, np.minimum(peak, slope * span), color="black", linewidth=1.2)
    drawn.sort(key=lambda pair: -pair[1])
    marks: list[Mark] = []
    for rank, (operator, ms) in enumerate(drawn):
        colour, shape = KINDS.get(operator.kind, KINDS["other"])
        x, y = operator.macs / operator.bytes, operator.macs / ms / 1e6
        area = max(8, LARGEST * ms / whole)
        look: dict[str, Any] = {
            "c": colour,
            "marker": shape,
            "alpha": 0.6,
            "linewidths": 0,
            "zorder": 3,
        }
        axes.scatter(x, y, area, **look)
        name = safe(shortened(operator.name, 36)) if rank < NAMED else ""
        marks.append((x, y, np.sqrt(area) / 2, name))
    axes.set_xlim(span[0], span[-1])
    log(axes, "x")
    log(axes, "y")
    axes.grid(alpha=0.25)
    axes.set_xlabel("MACs per byte moved")
    axes.set_ylabel("billion MACs per second")
    roofs = f"{figure(peak)} billion MACs/s, {figure(slope)} GB/s"
    axes.set_title(f"{safe(roof.model)}, {roof.precision}, one thread: {roofs}", fontsize=9)
    kinds = {o.kind if o.kind in KINDS else "other" for o, _ in drawn}
    shown = "share of the time" if timed else "bound, as time was not measured"
    shown += f"; {len(counted) - len(drawn)} operators with next to no MACs left out"
    legend(axes, {kind: mark for kind, mark in KINDS.items() if kind in kinds}, f"area: {shown}")
    label(axes, marks)


def roofline(report: Report) -> bytes | None:
    """What every operator reaches, under what the processor could."""
    roofs = [r for r in report.roofs if r.operators and r.macs_per_second and r.bytes_per_second]
    if not roofs:
        return None
    drawing = canvas(7.5, 5.2 * len(roofs))
    column = drawing.subplots(len(roofs), 1, squeeze=False, gridspec_kw={"hspace": 0.5})[:, 0]
    for axes, roof in zip(column, roofs, strict=True):
        _under(axes, roof)
    return png(drawing)
