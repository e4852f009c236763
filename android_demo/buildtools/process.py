"""Run the programs that the build is made of, and say in one line what went wrong."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

# A compiler that lives for ten seconds is done before the second compiler pays off, and a limited
# heap leaves room for whatever else the machine does.
SHORT_JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx1g")


class BuildError(Exception):
    """One line for the user: what, which, what to do. `output` is what the failed program said."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


def run(command: Sequence[str | Path], failure: str, *, cwd: Path | None = None) -> str:
    """What the command printed, both streams together; BuildError(failure) unless it exits 0."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except FileNotFoundError:
        raise BuildError(f"{command[0]} is not installed; without it, {failure}") from None
    if done.returncode != 0:
        raise BuildError(failure, done.stdout)
    return done.stdout


def java_home() -> Path:
    """The JDK in use: JAVA_HOME, or the one whose `javac` is on the PATH."""
    if "JAVA_HOME" in os.environ:
        home = Path(os.environ["JAVA_HOME"])
    else:
        javac = shutil.which("javac")
        if javac is None:
            raise BuildError("no JDK found; install JDK 17 or newer, or set JAVA_HOME")
        home = Path(javac).resolve().parent.parent
    release = home / "release"
    said = re.search(r'JAVA_VERSION="(\d+)', release.read_text() if release.is_file() else "")
    if not said or int(said[1]) < 17:
        raise BuildError(f"{home} is not a JDK of version 17 or newer; set JAVA_HOME to one")
    return home


def java(
    *arguments: str | Path,
    failure: str,
    flags: Sequence[str] = SHORT_JVM,
    cwd: Path | None = None,
) -> str:
    """Runs a Java program; see `run`."""
    return run([java_home() / "bin" / "java", *flags, *arguments], failure, cwd=cwd)


def class_path(*entries: Path) -> str:
    return os.pathsep.join(str(entry) for entry in entries)
