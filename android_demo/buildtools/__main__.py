"""The command line of build_apk.sh."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from .build import Report, Request, build
from .downloads import cache_folder
from .lock import relock
from .process import BuildError
from .project import DEMO, EMBEDDED_MODEL, read_versions
from .steps import Steps

DEFAULT_ABIS = ("arm64-v8a", "arm64-v8a,x86_64")


def main() -> int:
    """0: built and verified; 1: a step or a check failed; 2: asked for the impossible."""
    request = _arguments()
    start = time.monotonic()
    steps = Steps()
    try:
        if request.command == "lock":
            print(*relock(read_versions(), cache_folder()) or ["nothing changed"], sep="\n")
            return 0
        report = build(
            Request(
                model=request.model.resolve(),
                abis=[tuple(abis.split(",")) for abis in request.abi or DEFAULT_ABIS],
                out=request.out.resolve(),
                tests=not request.no_tests,
                real=request.real and request.real.resolve(),
                benchmark=request.benchmark,
                check_reproducible=request.check_reproducible,
            ),
            steps,
        )
    except BuildError as error:
        print(error.output, end="\n" if error.output else "", file=sys.stderr)
        print(f"build_apk.sh: {error}", file=sys.stderr)
        return 1
    print(_as_json(report, steps) if request.json else _as_text(report))
    print(f"{time.monotonic() - start:.0f} s in all", file=sys.stderr)
    return 0 if report.passed else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="build_apk.sh",
        description="Builds, tests, signs and verifies the demo's APK without Google's repository.",
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=("build", "lock"),
        default="build",
        help="lock: write buildtools/downloads.json anew, after a version changed",
    )
    parser.add_argument(
        "--model", type=Path, default=EMBEDDED_MODEL, help="a .tflite (default: the embedded one)"
    )
    parser.add_argument(
        "--abi",
        action="append",
        metavar="ABI[,ABI...]",
        help=f"one APK with these; may be repeated (default: {' and '.join(DEFAULT_ABIS)})",
    )
    parser.add_argument(
        "--out", type=Path, default=DEMO / "build" / "apk", help="folder for the APKs"
    )
    parser.add_argument("--json", action="store_true", help="report as JSON on standard output")
    parser.add_argument("--no-tests", action="store_true", help="leave out the tests of core/")
    parser.add_argument(
        "--real", type=Path, metavar="DATA", help="compare answers on 200 images of a dataset, too"
    )
    parser.add_argument(
        "--benchmark", action="store_true", help="time the preparation of a camera frame, too"
    )
    parser.add_argument(
        "--check-reproducible", action="store_true", help="build twice and compare the bytes"
    )
    request = parser.parse_args()
    if not request.model.is_file():
        parser.error(f"{request.model} is not a file; name a .tflite with --model")
    if request.real and request.no_tests:
        parser.error("--real is for the tests; leave out --no-tests")
    return request


def _as_text(report: Report) -> str:
    lines = [f"core on {name}: OK ({count} tests)" for name, count in report.tests.items()]
    lines += [report.frame_table] if report.frame_table else []
    lines += report.remarks
    for apk in report.apks:
        lines += ["", f"{apk.file if report.passed else apk.file.name}", f"SHA-256 {apk.sha256}"]
        lines += [f"{size:>12,} bytes  {part}" for part, size in apk.parts.items()]
        lines += [f"{sum(apk.parts.values()):>12,} bytes  in all"]
        for check in apk.checks:
            lines.append(f"{'ok  ' if check.passed else 'FAIL'}  {check.name}: {check.finding}")
    return "\n".join(lines)


def _as_json(report: Report, steps: Steps) -> str:
    return json.dumps(
        {"passed": report.passed, **asdict(report), "seconds": steps.seconds}, indent=1, default=str
    )


if __name__ == "__main__":
    sys.exit(main())
