"""`skinedge compress` from the command line: what needs no compression to see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from skinedge.compress.recipe import LISTED
from skinedge.edge_cli.main import app
from skinedge.errors import RunError, UsageError


def test_recipes_are_listed_for_people_and_for_programs() -> None:
    text = CliRunner().invoke(app, ["compress", "--list"])
    assert text.exit_code == 0
    assert all(any(line.startswith(name) for line in text.stdout.splitlines()) for name in LISTED)
    lines = CliRunner().invoke(app, ["compress", "--list", "--json"]).stdout.splitlines()
    recipes = {recipe["name"]: recipe for recipe in map(json.loads, lines)}
    assert list(recipes) == list(LISTED)
    assert recipes["slim55-int8"]["slim"]["macs"] == 0.55
    assert recipes["int8"]["limits"]["attention_correlation"] == 0.95


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ([], UsageError, "needs RUN, --data DIR and --out DIR"),
        (["RUN", "--data", "RUN", "--out", "out"], RunError, "not a run folder"),
        (
            ["RUN", "--data", "RUN", "--out", "out", "--recipe", "int9"],
            UsageError,
            "unknown compression recipe 'int9'",
        ),
        (
            ["RUN", "--data", "RUN", "--out", "out", "--recipe", "qat-int8", "--bias", "8"],
            UsageError,
            "--bias and --refit are for int8 after training, not for qat-int8",
        ),
        (
            ["RUN", "--data", "RUN", "--out", "out", "--epochs", "2"],
            UsageError,
            "--epochs is for steps that fine-tune, and int8 has none",
        ),
        (
            ["RUN", "--data", "RUN", "--out", "out", "--recipe", "int4", "--representative", "8"],
            UsageError,
            "--representative is for int8 and int16x8, not for int4",
        ),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: list[str], error: type[Exception], message: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    given = [str(tmp_path) if a == "RUN" else str(out) if a == "out" else a for a in arguments]
    result = CliRunner().invoke(app, ["compress", *given])
    assert isinstance(result.exception, error)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not out.exists()
