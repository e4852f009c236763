"""A report as Markdown, short enough for a README.

    Path("benchmark.md").write_text(markdown(report))

Sources and operators are left to the page: they are long, and machine-specific.
"""

from __future__ import annotations

import html

from skinedge import DISCLAIMER

from .results import Report
from .tables import tables
from .words import Table, about, headlines, numeric

__all__ = ["markdown"]

LEFT_OUT = ("roofline",)


def _escaped(text: str) -> str:
    """A name is text: no HTML, no cell border, no emphasis, no second line."""
    text = html.escape(" ".join(text.split()), quote=False)
    for mark in "\\|*_`[]":
        text = text.replace(mark, f"\\{mark}")
    return text


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _table(table: Table) -> list[str]:
    rules = tuple("---:" if right else "---" for right in numeric(table))
    rows = (table.header, *table.rows)
    top, *rest = (_line(tuple(map(_escaped, row))) for row in rows)
    lines = [f"## {_escaped(table.caption)}", "", top, _line(rules), *rest, ""]
    return [*lines, *(line for note in table.notes for line in (_escaped(note), ""))]


def _command(text: str) -> str:
    """As code; a backtick in it would end that."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def markdown(report: Report) -> str:
    """Machine, date, command and seed; what was saved; the tables; the notes."""
    lines = ["# SkinEdge benchmark", ""]
    for what, words in about(report):
        lines.append(f"- {what}: {_command(words) if what == 'command' else _escaped(words)}")
    lines += ["", DISCLAIMER, ""]
    if not report.complete:
        lines += ["**The run was not finished: figures are missing.**", ""]
    lines += [f"- {_escaped(line)}" for line in headlines(report)]
    for table in tables(report):
        if table.key not in LEFT_OUT:
            lines += ["", *_table(table)]
    if report.notes:
        lines += ["", "## Notes", "", *(f"- {_escaped(note)}" for note in report.notes)]
    text = "\n".join(lines)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.rstrip() + "\n"
