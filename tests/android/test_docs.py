"""The code in docs/android.md is the code that is compiled with the demo."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"<!-- (android_demo/snippets/\S+) -->\n```kotlin\n(.*?)```\n", re.DOTALL)
SHOWN = dict(BLOCK.findall((REPOSITORY / "docs" / "android.md").read_text(encoding="utf-8")))


def test_every_snippet_is_shown() -> None:
    snippets = (REPOSITORY / "android_demo" / "snippets").glob("*.kt")
    assert {file.relative_to(REPOSITORY).as_posix() for file in snippets} == SHOWN.keys()


@pytest.mark.parametrize("file", SHOWN)
def test_what_is_shown_is_what_is_compiled(file: str) -> None:
    assert SHOWN[file] == (REPOSITORY / file).read_text(encoding="utf-8")
