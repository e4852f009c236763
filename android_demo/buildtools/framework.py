"""The Android framework that the app is compiled against, read class by class.

Robolectric's android-all is the real framework: complete, hidden API included, and compiled for
a newer Java than our dexer reads. It has no java.*: the JDK's stands in, as it does for a
compiler of Kotlin.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from .class_file import ClassFile, classes_in, read_class
from .process import java_home, run

# The modules of the JDK that Android has, too.
_MODULES = ("java.base", "java.logging")
# R8 puts calls of newer Java's methods into words of older ones, which the program need not name.
_ALWAYS = ("java/lang", "java/util", "java/util/function", "java/util/stream")


class Framework:
    """Classes by name, each read when it is first asked for."""

    def __init__(self, android: Path, java: Path) -> None:
        """`android` is a jar; `java` is an empty folder, to unpack the JDK's classes into."""
        run(
            [
                *(java_home() / "bin" / "jimage", "extract", "--dir", java, "--include"),
                ",".join(f"glob:/{module}/java/**" for module in _MODULES),
                java_home() / "lib" / "modules",
            ],
            "the classes of the JDK cannot be unpacked",
        )
        self._java = java
        self._android = zipfile.ZipFile(android)
        self._names = frozenset(self._android.namelist())
        self.find = cache(self._find)

    def _find(self, name: str) -> ClassFile | None:
        file = f"{name}.class"
        if name.startswith("java/"):
            found = (self._java / module / file for module in _MODULES)
            return next((read_class(path.read_bytes()) for path in found if path.is_file()), None)
        return read_class(self._android.read(file)) if file in self._names else None

    def always(self) -> set[str]:
        """Names of the classes that a dexer wants, whatever the program names."""
        java = self._java / _MODULES[0]
        files = (file for package in _ALWAYS for file in (java / package).glob("*.class"))
        return {str(file.relative_to(java).with_suffix("")) for file in files}


def write_stubs(program: Iterable[Path], framework: Framework, out: Path) -> None:
    """A jar with what a dexer wants to know of the framework: declarations, no code.

    The classes that the program's jars name, and those above them, declare what the program
    overrides or uses; classes that only these declarations name are there, and empty.
    """
    classes = [read_class(data) for jar in program for data in _class_files(jar)]
    names = {text for found in classes for text in found.texts}
    named = {name for found in classes for name in found.classes}
    full = _with_parents(named | framework.always(), framework)
    used = {
        name
        for found in full.values()
        for member in found.declared
        if member.name in names
        for name in classes_in(member.descriptor)
    }
    empty = _with_parents(used - set(full), framework)
    with zipfile.ZipFile(out, "w") as stubs:
        for name, found in {**empty, **full}.items():
            stubs.writestr(f"{name}.class", found.stub(names if name in full else ()))


def _with_parents(names: set[str], framework: Framework) -> dict[str, ClassFile]:
    """Those of the classes, and of all above them, that the framework has."""
    pending, done = set(names), set()
    classes = {}
    while pending:
        name = pending.pop()
        done.add(name)
        if found := framework.find(name):
            classes[name] = found
            pending |= {found.superclass or name, *found.interfaces} - done
    return classes


def _class_files(jar: Path) -> list[bytes]:
    with zipfile.ZipFile(jar) as content:
        return [content.read(name) for name in content.namelist() if name.endswith(".class")]
