"""The build from sources to verified APKs, step by step."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import unit_tests
from .apk_zip import different_entries
from .compilers import compile_java, compile_kotlin
from .dex import library_rules, make_dex
from .downloads import cache_folder, check_versions, fetch, read_lock
from .framework import Framework
from .inspection import Apk, Inspector
from .package import check_abis, package
from .process import BuildError
from .project import DEMO, Versions, read_versions
from .resources import link_resources
from .signing import sign
from .steps import Steps
from .tools import Tools, check_machine

_APP = DEMO / "app" / "src" / "main"
_SNIPPETS = DEMO / "snippets"
# What this build knows of each module's sources.
_SOURCES = {
    _APP: {"AndroidManifest.xml", "kotlin", "res"},
    unit_tests.CORE / "src" / "main": {"kotlin"},
}


@dataclass(frozen=True)
class Request:
    """What to build; each of `abis` is one APK."""

    model: Path
    abis: Sequence[tuple[str, ...]]
    out: Path
    tests: bool = True
    real: Path | None = None  # a dataset, for the tests to compare answers on
    benchmark: bool = False
    check_reproducible: bool = False


@dataclass
class Report:
    apks: list[Apk] = field(default_factory=list)
    tests: dict[str, int] = field(default_factory=dict)  # how many passed, by runtime
    frame_table: str = ""
    frame_times: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return all(check.passed for apk in self.apks for check in apk.checks)


def build(request: Request, steps: Steps) -> Report:
    """BuildError when a step fails. Failed checks are in the report, and leave no APK behind."""
    report = Report()
    check_machine()
    versions = read_versions()
    _refuse_unknown_sources()
    with steps.step("downloads"):
        downloads = read_lock()
        check_versions(downloads, versions)
        cache = cache_folder()
        tools = Tools(fetch(downloads, cache), cache / "unpacked")
        check_abis(tools.runtime_archives, [abi for abis in request.abis for abi in abis])
    with tempfile.TemporaryDirectory(prefix="skinedge-apk-") as folder:
        work = Path(folder)
        maker = Maker(tools, Framework(tools.android, work / "jdk"), versions, request, steps)
        core = maker.core(work)
        if request.tests or request.benchmark:
            _run_core(tools, request, core, work, steps, report)
        apks = maker.apks(core, work)
        maker.check_snippets(core, work)
        report.remarks += maker.remarks
        if request.check_reproducible:
            steps.suffix = " (again)"
            _refuse_difference(maker, apks, work / "again")
            steps.suffix = ""
        with steps.step("verify"):
            inspector = Inspector(tools, maker.framework, versions, request.model)
            report.apks = [
                inspector.inspect(apk, abis) for apk, abis in zip(apks, request.abis, strict=True)
            ]
        if report.passed:
            request.out.mkdir(parents=True, exist_ok=True)
            for apk in report.apks:
                apk.file = Path(shutil.move(apk.file, request.out / apk.file.name))
    return report


def _refuse_unknown_sources() -> None:
    for folder, known in _SOURCES.items():
        for unknown in {path.name for path in folder.iterdir()} - known:
            raise BuildError(f"{folder / unknown}: Gradle builds it, buildtools/build.py does not")


@dataclass
class Maker:
    """Makes APKs out of the sources, in any folder."""

    tools: Tools
    framework: Framework
    versions: Versions
    request: Request
    steps: Steps
    remarks: list[str] = field(default_factory=list)

    def core(self, work: Path) -> Path:
        """core/ as a jar."""
        with self.steps.step("compile core"):
            jar = work / "core.jar"
            sources = [unit_tests.CORE / "src" / "main" / "kotlin"]
            compile_kotlin(self.tools, sources, self.tools.core_libraries, jar, "core")
            return jar

    def apks(self, core: Path, work: Path) -> list[Path]:
        """A signed APK for each of the request's ABI lists."""
        tools = self.tools
        with self.steps.step("resources"):
            linked = link_resources(tools, _APP, self.versions, work)
            generated = work / "generated.jar"
            compile_java(linked.java, generated)
        with self.steps.step("compile app"):
            app = work / "app.jar"
            libraries = [tools.android, core, *tools.app_libraries]
            compile_kotlin(tools, [_APP / "kotlin", linked.java], libraries, app, "app")
        with self.steps.step("dex"):
            program = [app, core, generated, *tools.app_libraries]
            rules = [linked.keep_rules, *library_rules(tools, work)]
            dex, remark = make_dex(
                tools, self.framework, program, rules, self.versions["minSdk"], work
            )
            self.remarks += [f"R8: {remark}"] if remark else []
        with self.steps.step("package and sign"):
            return [self._apk(linked.archive, dex, abis, work) for abis in self.request.abis]

    def check_snippets(self, core: Path, work: Path) -> None:
        """Compile the code that docs/android.md shows."""
        with self.steps.step("compile the code in the docs"):
            libraries = [self.tools.android, core, *self.tools.core_libraries]
            compile_kotlin(self.tools, [_SNIPPETS], libraries, work / "snippets.jar", "snippets")

    def _apk(
        self, resources: Path, dex: dict[str, bytes], abis: tuple[str, ...], work: Path
    ) -> Path:
        signed = work / f"skinedge-demo-{'-'.join(abis)}.apk"
        unsigned = work / f"unsigned-{signed.name}"
        model = self.request.model.read_bytes()
        package(unsigned, resources, dex, model, self.tools.runtime_archives, abis)
        sign(self.tools, unsigned, signed)
        return signed


def _run_core(
    tools: Tools, request: Request, core: Path, work: Path, steps: Steps, report: Report
) -> None:
    with steps.step("compile the tests of core"):
        tests = work / "core-tests.jar"
        unit_tests.compile_tests(tools, core, tests)
    if request.tests:
        properties = {}
        if request.real:
            with steps.step("answers of the edge library"):
                properties["skinedge.real"] = work / "real"
                unit_tests.write_real_answers(request.real, properties["skinedge.real"])
        else:
            report.remarks.append("tests on real images were skipped: name a dataset with --real")
        for name, runtime in tools.desktop_runtimes.items():
            with steps.step(f"test core on {name}"):
                passed = unit_tests.run_tests(tools, core, tests, runtime, properties)
                report.tests[name] = passed
    if request.benchmark:
        with steps.step("time the preparation of a frame"):
            timed = unit_tests.run_benchmark(tools, core, tests, work)
            report.frame_table, report.frame_times = timed


def _refuse_difference(maker: Maker, apks: list[Path], again: Path) -> None:
    again.mkdir()
    for first, second in zip(apks, maker.apks(maker.core(again), again), strict=True):
        if first.read_bytes() != second.read_bytes():
            raise BuildError(
                f"{first.name} differs when it is built again from the same sources, in "
                f"{', '.join(different_entries(first, second)) or 'its layout'}"
            )
