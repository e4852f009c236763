"""A report as one HTML page that needs no other file, no network and no script.

    out.write_text(page(report, figures(report)), encoding="utf-8")

The page shows no picture of a dataset: whoever may see the figures may not see those.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from skinedge import DISCLAIMER

from .results import Report
from .tables import tables
from .words import Table, about, headlines, numeric

__all__ = ["page"]

TEMPLATE = Path(__file__).with_name("page.html.j2")
# Which figures and tables stand together, under which heading.
SECTIONS = {
    "overview": ("What was measured", ("pareto",), ("subjects",)),
    "time": ("Time", ("threads",), ("latency", "batches")),
    "cost": ("Size and memory", ("waterfall",), ("size",)),
    "quality": ("Accuracy", (), ("accuracy", "changes")),
    "saved": ("What is saved", (), ("savings",)),
    "operators": ("Operators", ("roofline",), ("roofline",)),
}
CAPTIONS = {
    "pareto": "Time, accuracy and size of what was timed: faster is further left, better is higher",
    "threads": "Time by number of threads",
    "waterfall": "Size from the largest network to the model, step by step",
    "roofline": "What each operator reaches, under what this processor could",
}
# A reader who cannot see the figure has the same numbers here.
ALTERNATIVES = {
    "pareto": "Scatter plot; its numbers are in the tables of time, size and accuracy below.",
    "threads": "Bar chart; its numbers are in the table of latency below.",
    "waterfall": "Waterfall chart; its sizes are in the table below.",
    "roofline": "Roofline plot; the slowest operators are in the table below.",
}


@dataclass(frozen=True)
class _Image:
    caption: str
    alt: str
    base64: str


@dataclass(frozen=True)
class _Grid:
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[bool, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Section:
    key: str
    heading: str
    images: tuple[_Image, ...]
    tables: tuple[_Grid, ...]


def _image(name: str, content: bytes) -> _Image:
    caption = CAPTIONS.get(name, name)
    alt = f"{caption}. {ALTERNATIVES[name]}" if name in ALTERNATIVES else caption
    return _Image(caption, alt, base64.b64encode(content).decode("ascii"))


def _grid(table: Table) -> _Grid:
    return _Grid(table.caption, table.header, table.rows, numeric(table), table.notes)


def _sections(made: Sequence[Table], figures: Mapping[str, bytes]) -> Iterator[_Section]:
    for key, (heading, names, keys) in SECTIONS.items():
        images = tuple(_image(name, figures[name]) for name in names if name in figures)
        grids = tuple(_grid(table) for name in keys for table in made if table.key == name)
        if images or grids:
            yield _Section(key, heading, images, grids)


def page(report: Report, figures: Mapping[str, bytes]) -> str:
    """The page.

    Args:
        report: what was found.
        figures: PNGs by name, as `plots.figures` gives them; embedded.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        title="SkinEdge benchmark",
        disclaimer=DISCLAIMER,
        complete=report.complete,
        about=about(report),
        headlines=headlines(report),
        sections=tuple(_sections(tables(report), figures)),
        notes=report.notes,
    )
