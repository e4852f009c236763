"""Shrink the program's classes and turn them into dex files, with R8."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from .framework import Framework, write_stubs
from .process import java
from .tools import Tools

KEEP_RULES = Path(__file__).parent / "keep.pro"


def make_dex(
    tools: Tools,
    framework: Framework,
    program: Sequence[Path],
    rules: Iterable[Path],
    min_sdk: str,
    work: Path,
) -> tuple[dict[str, bytes], str]:
    """The dex files by name, and what R8 had to say about them.

    `program` are jars; what the `rules` and the entry points they keep do not reach is left out.
    """
    stubs = work / "framework.jar"
    write_stubs(program, framework, stubs)
    out = work / "dex.zip"
    said = java(
        "-cp",
        tools.r8,
        "com.android.tools.r8.R8",
        "--release",
        "--no-data-resources",
        "--min-api",
        min_sdk,
        "--lib",
        stubs,
        *(part for rule in (KEEP_RULES, *rules) for part in ("--pg-conf", rule)),
        "--output",
        out,
        *program,
        failure="R8 cannot make a dex file of the program; see its messages above",
    )
    with zipfile.ZipFile(out) as content:
        names = sorted(name for name in content.namelist() if name.endswith(".dex"))
        return {name: content.read(name) for name in names}, said.strip()


def library_rules(tools: Tools, work: Path) -> list[Path]:
    """The keep rules that the Android archives bring along."""
    rules = []
    for archive in tools.runtime_archives:
        rule = work / f"{archive.stem}.pro"
        with zipfile.ZipFile(archive) as content:
            rule.write_bytes(content.read("proguard.txt"))
        rules.append(rule)
    return rules
