"""Names that Android lacks, names that its oldest version lacks, and native code that is gone."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import small_apk
from buildtools import verify
from buildtools.class_file import read_class
from buildtools.dex_file import Defined, Dex
from buildtools.process import BuildError
from buildtools.references import check_references, read_allowed


@dataclass
class Class:
    members: tuple[str, ...] = ()
    superclass: str | None = "java/lang/Object"
    interfaces: tuple[str, ...] = ()


OBJECT = Class(("toString()Ljava/lang/String;",), superclass=None)
OLD_WINDOW = Class(("show()V",))
OLDEST = {"java/lang/Object": OBJECT, "android/Window": OLD_WINDOW}
NEWEST = OLDEST | {
    "android/Window": Class(("show()V", "insets()I")),
    "android/Insets": Class(("CONSUMED#I",)),
}
ALLOWED = {"android/Window.insets()I": "SDK_INT >= 30 in show"}


def program(*members: tuple[str, str], types: tuple[str, ...] = ()) -> list[Dex]:
    """One class, `app/Main`, a subclass of Android's Window, that names these."""
    own = Defined("android/Window", (), {"main()V"})
    return [Dex({"app/Main": own}, {"app/Main", *types}, set(members))]


def resolves(dex: list[Dex], allowed: dict[str, str]) -> str:
    return verify.resolves(dex, NEWEST.get, OLDEST, allowed)


def test_what_exists_resolves_in_the_class_and_above_it() -> None:
    found = resolves(
        program(
            ("app/Main", "main()V"),
            ("app/Main", "show()V"),
            ("app/Main", "toString()Ljava/lang/String;"),
            ("android/Window", "insets()I"),
        ),
        ALLOWED,
    )
    assert found == "3 references to Android exist, 1 of them newer than minSdk and on the list"


@pytest.mark.parametrize(
    ("dex", "reason"),
    [
        (program(("android/Window", "hide()V")), r"not in Android: android/Window.hide\(\)V"),
        (program(("android/Gone", "hide()V")), r"not in Android: android/Gone.hide\(\)V"),
        (program(types=("android/Gone",)), "not in Android: android/Gone"),
        (program(("app/Main", "hide()V")), r"not in Android: app/Main.hide\(\)V"),
    ],
)
def test_what_does_not_exist_is_refused(dex: list[Dex], reason: str) -> None:
    with pytest.raises(verify.CheckFailed, match=reason):
        resolves(dex, {})


@pytest.mark.parametrize(
    ("dex", "name"),
    [
        (program(("android/Window", "insets()I")), r"android/Window.insets\(\)I"),
        (program(("app/Main", "insets()I")), r"android/Window.insets\(\)I"),
        (program(("android/Insets", "CONSUMED#I")), "android/Insets.CONSUMED#I"),
        (program(types=("android/Insets",)), "android/Insets"),
    ],
)
def test_an_unguarded_newer_name_is_refused(dex: list[Dex], name: str) -> None:
    with pytest.raises(verify.CheckFailed, match=f"not in newer_than_min_sdk.txt: {name}$"):
        resolves(dex, {})


def test_a_guard_that_guards_nothing_is_refused() -> None:
    with pytest.raises(verify.CheckFailed, match=r"but unused: android/Window\.insets"):
        resolves(program(("android/Window", "show()V")), ALLOWED)


def test_a_stand_in_for_a_newer_class_is_not_the_programs_own() -> None:
    dex = program(types=("android/Insets",))
    dex[0].defined["android/Insets"] = Defined("java/lang/Object", (), {"<clinit>()V"})
    assert check_references(dex, NEWEST.get, OLDEST).not_in_oldest == ["android/Insets"]


def test_every_allowed_name_has_a_guard(tmp_path: Path) -> None:
    listed = tmp_path / "newer.txt"
    listed.write_text("# why\n\na/B.c()V  # SDK_INT >= 30 in d\n", encoding="utf-8")
    assert read_allowed(listed) == {"a/B.c()V": "SDK_INT >= 30 in d"}
    listed.write_text("a/B.c()V\n", encoding="utf-8")
    with pytest.raises(BuildError, match=r"newer.txt:1: 'a/B.c\(\)V' names no guard"):
        read_allowed(listed)


FUNCTION = "Java_org_tensorflow_lite_Native_1Wrapper_run"


def interpreter(*, natives: set[str], constructor: str = "<init>()V") -> list[Dex]:
    factory = Defined("java/lang/Object", (), {constructor})
    wrapper = Defined("java/lang/Object", (), natives=natives)
    return [Dex({verify.FACTORY: factory, "org/tensorflow/lite/Native_Wrapper": wrapper})]


def test_native_methods_need_their_functions(tmp_path: Path) -> None:
    apk = small_apk.write(tmp_path / "small.apk", small_apk.entries(FUNCTION))
    good = interpreter(natives={"run"})
    assert "1 native methods" in verify.reaches_native_code(apk, good, NEWEST.get)
    with pytest.raises(verify.CheckFailed, match=r"has no Java_.*_Native_1Wrapper_stop"):
        verify.reaches_native_code(apk, interpreter(natives={"run", "stop"}), NEWEST.get)


def test_tensorflow_lite_must_survive_shrinking(tmp_path: Path) -> None:
    apk = small_apk.write(tmp_path / "small.apk", small_apk.entries(FUNCTION))
    shrunk = interpreter(natives={"run"}, constructor="<init>(I)V")
    with pytest.raises(verify.CheckFailed, match="InterpreterFactoryImpl was removed"):
        verify.reaches_native_code(apk, shrunk, NEWEST.get)


@pytest.mark.skipif(shutil.which("javac") is None, reason="no JDK")
def test_class_files_are_read(tmp_path: Path) -> None:
    source = tmp_path / "Sample.java"
    source.write_text(
        """
        abstract class Sample extends Thread implements Comparable<String> {
            public long[] kept = {1L << 40};
            private int hidden = 3;
            protected Runnable greet(String name) { return () -> System.out.println(name + kept); }
            private void secret() {}
        }
        """,
        encoding="utf-8",
    )
    subprocess.run(["javac", "--release", "11", source], check=True)
    found = read_class((tmp_path / "Sample.class").read_bytes())
    assert (found.name, found.superclass) == ("Sample", "java/lang/Thread")
    assert found.interfaces == ("java/lang/Comparable",)
    assert found.members == {"kept#[J", "greet(Ljava/lang/String;)Ljava/lang/Runnable;"}
    assert {"java/io/PrintStream", "java/lang/String"} <= found.classes

    stub = read_class(found.stub({"greet"}))
    assert (stub.superclass, stub.interfaces) == (found.superclass, found.interfaces)
    assert stub.members == {"greet(Ljava/lang/String;)Ljava/lang/Runnable;"}
