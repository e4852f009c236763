"""Who may import whom (docs/architecture.md): checked in the source, and by running the edge."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STATIONS = {
    "src/skinedge": set(),
    "train": set(),
    "compress": {"train"},
    "benchmarks": {"train", "compress"},
    "edge_cli": {"train", "compress", "benchmarks"},
}
HEAVY = {"tensorflow", "keras", "tf_keras", "jax", "torch", "sklearn", "scipy", "matplotlib"}


def _imports(path: Path, package: str) -> set[str]:
    """Absolute names of everything a module imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def _modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", STATIONS)
def test_stations_import_only_what_lies_behind_them(folder: str) -> None:
    own = "skinedge" if folder == "src/skinedge" else f"skinedge.{folder}"
    siblings = {"train", "compress", "benchmarks", "edge_cli"} - {folder}
    assert _modules(folder)
    for path in _modules(folder):
        package = ".".join((own, *path.relative_to(ROOT / folder).parts[:-1]))
        for name in _imports(path, package):
            station = name.split(".")[1] if name.startswith("skinedge.") else ""
            assert station not in siblings - STATIONS[folder], f"{path} imports {name}"


@pytest.mark.parametrize("folder", ["src/skinedge", "edge_cli"])
def test_the_edge_imports_nothing_heavy(folder: str) -> None:
    for path in _modules(folder):
        heavy = {name.split(".")[0] for name in _imports(path, "skinedge")} & HEAVY
        assert not heavy, f"{path} imports {heavy}"


def test_every_package_is_installed() -> None:
    """An editable install finds a package that pyproject.toml forgot; a wheel does not."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^packages = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert listed
    there = set()
    for folder in STATIONS:
        own = "skinedge" if folder == "src/skinedge" else f"skinedge.{folder}"
        for init in (ROOT / folder).rglob("__init__.py"):
            there.add(".".join((own, *init.relative_to(ROOT / folder).parts[:-1])))
    assert there <= set(re.findall(r'"([^"]+)"', listed[1]))


def test_predict_runs_without_loading_anything_heavy(tmp_path: Path) -> None:
    """Also where TensorFlow is installed, as it is here."""
    picture = tmp_path / "lesion.png"
    subprocess.run([sys.executable, ROOT / "tools/draw_lesion.py", picture], check=True)
    program = (
        "import sys; from skinedge.edge_cli.main import app\n"
        f"try: app(['predict', {str(picture)!r}])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"loaded = {HEAVY!r} & set(sys.modules); assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "never a diagnosis" in done.stdout
