"""Compile Kotlin and Java."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from .process import class_path, java, java_home, run
from .tools import Tools

# Gradle compiles for 17. Our R8 refuses the list of permitted subclasses that Kotlin adds to
# sealed classes from 17 on; nothing else in the sources differs.
JVM_TARGET = "11"


def compile_kotlin(
    tools: Tools,
    sources: Iterable[Path],
    libraries: Iterable[Path],
    jar: Path,
    module: str,
    friends: Iterable[Path] = (),
) -> None:
    """Folders of Kotlin, and of Java that it refers to, into a jar. Warnings are errors.

    What is `internal` in the `friends` among the libraries is visible, as a module's own tests
    want it.
    """
    java(
        "-cp",
        class_path(*tools.kotlin_compiler),
        "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
        "-no-stdlib",
        "-no-reflect",
        "-Werror",
        "-jvm-target",
        JVM_TARGET,
        "-module-name",
        module,
        "-classpath",
        class_path(*libraries),
        *(f"-Xfriend-paths={friend}" for friend in friends),
        "-d",
        jar,
        *sources,
        failure=f"{module} does not compile; see the compiler's messages above",
    )


def compile_java(sources: Path, jar: Path) -> None:
    """A folder of Java that needs nothing but Java, into a jar."""
    classes = jar.with_suffix("")
    javac = java_home() / "bin" / "javac"
    run(
        [javac, "--release", JVM_TARGET, "-d", classes, *sorted(sources.rglob("*.java"))],
        f"{sources} does not compile; see the compiler's messages above",
    )
    with zipfile.ZipFile(jar, "w") as archive:
        for file in sorted(classes.rglob("*.class")):
            archive.write(file, file.relative_to(classes))
