"""core/'s tests on this machine's JVM, with TensorFlow Lite for the desktop."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .compilers import compile_kotlin
from .process import BuildError, class_path, java, run
from .project import DEMO, REPOSITORY
from .tools import Tools

CORE = DEMO / "core"
_TESTS = CORE / "src" / "test"
_ANSWERS = REPOSITORY / "tools" / "golden_android_answers.py"
_REAL_IMAGES = "200"
_FRAMES = "400"
# Both compilers: the benchmark and the tests of steady state want the code as it ends up.
_JVM = ("-XX:+UseSerialGC", "-Xmx1g")


def compile_tests(tools: Tools, core: Path, jar: Path) -> None:
    desktop = [tools.files[name] for name in ("junit", "desktop-tflite", "javacpp")]
    libraries = [core, *tools.core_libraries, *desktop]
    compile_kotlin(tools, [_TESTS / "kotlin"], libraries, jar, "core-tests", [core])


def run_tests(
    tools: Tools, core: Path, tests: Path, runtime: Sequence[Path], properties: dict[str, Path]
) -> int:
    """How many tests passed; BuildError if one failed, there is none, or one was skipped although
    the real images that it wants are given."""
    said = java(
        *(f"-D{key}={value}" for key, value in properties.items()),
        "-cp",
        _class_path(tools, core, tests, runtime),
        "org.skinedge.core.RunTestsKt",
        *_test_classes(tests),
        failure="tests of core/ failed; see JUnit's messages above",
        flags=_JVM,
        cwd=CORE,
    )
    counts = re.search(r"^(\d+) passed, 0 failed, (\d+) skipped$", said, re.MULTILINE)
    if not counts or counts[1] == "0":
        raise BuildError("core/ has no tests, or JUnit says nothing of them", said)
    if "skinedge.real" in properties and counts[2] != "0":
        raise BuildError(
            f"{counts[2]} tests of core/ were skipped; see JUnit's messages above", said
        )
    return int(counts[1])


def run_benchmark(tools: Tools, core: Path, tests: Path, work: Path) -> tuple[str, dict[str, Any]]:
    """Times the preparation of a camera frame: a table to read, and its figures."""
    figures = work / "frames.json"
    table = java(
        "-cp",
        _class_path(tools, core, tests),
        "org.skinedge.core.FrameBenchmarkKt",
        "--frames",
        _FRAMES,
        "--json",
        figures,
        failure="the benchmark of core/ failed; see its messages above",
        flags=_JVM,
        cwd=CORE,
    )
    return table.strip(), json.loads(figures.read_text(encoding="utf-8"))


def write_real_answers(data: Path, out: Path) -> None:
    """What the Python edge library answers for 200 real images, for the tests to compare with."""
    run(
        [sys.executable, _ANSWERS, "--real", data, "--count", _REAL_IMAGES, "--out", out],
        f"{_ANSWERS.name} failed; see above. If skinedge is missing, set PYTHON to one that has it",
    )


def _class_path(tools: Tools, core: Path, tests: Path, runtime: Sequence[Path] = ()) -> str:
    junit = [tools.files["junit"], tools.files["hamcrest"]]
    return class_path(tests, _TESTS / "resources", core, *tools.core_libraries, *junit, *runtime)


def _test_classes(jar: Path) -> list[str]:
    with zipfile.ZipFile(jar) as content:
        names = sorted(name for name in content.namelist() if name.endswith("Test.class"))
    return [name.removesuffix(".class").replace("/", ".") for name in names]
