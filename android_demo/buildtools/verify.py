"""What an APK must be like before anybody installs it. Each check says what it found."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .apk_zip import PAGE, Stored, read_layout
from .badging import Badging, read_badging
from .dex_file import Dex, read_dex
from .elf import read_library
from .process import BuildError
from .references import Declared, Lookup, check_references, own_classes

MODEL_ASSET = "assets/model.tflite"
MODEL_HASH_ASSET = "assets/model.sha256"
RESOURCE_TABLE = "resources.arsc"
# TensorFlow Lite's Java looks this class up by its name.
FACTORY = "org/tensorflow/lite/InterpreterFactoryImpl"
LIMIT = 12_000_000
_SCHEMES = re.compile(r"^Verified using v([123]) scheme .*: (true|false)", re.MULTILINE)


class CheckFailed(Exception):  # noqa: N818 - it is a finding, not an error of the program
    """What is wrong with the APK, in one line."""


@dataclass(frozen=True)
class Check:
    name: str
    passed: bool
    finding: str


def check(name: str, find: Callable[[], str]) -> Check:
    """`find` returns what it found, or raises what is wrong."""
    try:
        return Check(name, True, find())
    except (CheckFailed, BuildError) as failure:
        return Check(name, False, str(failure))


def signed(apksigner_says: str) -> str:
    """By all three schemes, by one and the same key."""
    schemes = dict(_SCHEMES.findall(apksigner_says))
    missing = [f"v{scheme}" for scheme in "123" if schemes.get(scheme) != "true"]
    if missing:
        raise CheckFailed(f"not signed by {', '.join(missing)}")
    if "WARNING" in apksigner_says:
        raise CheckFailed(apksigner_says[apksigner_says.index("WARNING") :].splitlines()[0])
    keys = set(re.findall(r"certificate SHA-256 digest: ([0-9a-f]{64})", apksigner_says))
    if len(keys) != 1:
        raise CheckFailed(f"apksigner names {len(keys)} certificates, not one")
    return f"v1, v2 and v3, certificate {keys.pop()[:16]}…"


def described(badging: str, expected: Badging) -> str:
    """Package, SDK levels, permissions, ABIs, entry: exactly as expected."""
    wrong = read_badging(badging).differences(expected)
    if wrong:
        raise CheckFailed("; ".join(wrong))
    return (
        f"{expected.package} {expected.version}, minSdk {expected.min_sdk}, "
        f"targetSdk {expected.target_sdk}, permissions: {', '.join(expected.permissions)}"
    )


def holds_model(apk: Path, model: Path) -> str:
    """The model is `model`, stored as it is, and its hash is the one that the app will ask for."""
    with zipfile.ZipFile(apk) as archive:
        names = archive.namelist()
        if MODEL_ASSET not in names or MODEL_HASH_ASSET not in names:
            raise CheckFailed(f"{MODEL_ASSET} or {MODEL_HASH_ASSET} is missing")
        if archive.getinfo(MODEL_ASSET).compress_type != zipfile.ZIP_STORED:
            raise CheckFailed(f"{MODEL_ASSET} is compressed: the app cannot map it")
        packaged = hashlib.sha256(archive.read(MODEL_ASSET)).hexdigest()
        asked_for = archive.read(MODEL_HASH_ASSET).decode("ascii").strip()
    wanted = hashlib.sha256(model.read_bytes()).hexdigest()
    if packaged != wanted:
        raise CheckFailed(f"{MODEL_ASSET} has SHA-256 {packaged}, {model.name} has {wanted}")
    if asked_for != packaged:
        raise CheckFailed(f"the app asks for a model of SHA-256 {asked_for}, not {packaged}")
    return f"stored, SHA-256 {packaged}"


def maps_libraries(apk: Path, abis: Iterable[str]) -> str:
    """Native libraries of exactly these ABIs, stored on page boundaries."""
    libraries = [entry for entry in read_layout(apk) if entry.name.endswith(".so")]
    found, wanted = {entry.name.split("/")[1] for entry in libraries}, set(abis)
    if found != wanted:
        raise CheckFailed(f"libraries for {_listed(found)}, not for {_listed(wanted)}")
    for entry in libraries:
        _refuse_unmappable(entry, PAGE)
    with zipfile.ZipFile(apk) as archive:
        least = min(read_library(archive.read(e.name)).segment_alignment for e in libraries)
    return (
        f"{_listed(found)}: stored, from multiples of {PAGE} bytes on "
        f"(the library's own segments: of {least})"
    )


def maps_resources(apk: Path) -> str:
    """Android 11 and later install no app whose resource table is compressed or unaligned."""
    tables = [entry for entry in read_layout(apk) if entry.name == RESOURCE_TABLE]
    if not tables:
        raise CheckFailed(f"{RESOURCE_TABLE} is missing")
    _refuse_unmappable(tables[0], 4)
    return "stored, from a multiple of 4 bytes on"


def _refuse_unmappable(entry: Stored, alignment: int) -> None:
    if entry.compressed:
        raise CheckFailed(f"{entry.name} is compressed")
    if entry.offset % alignment:
        raise CheckFailed(f"{entry.name} starts at {entry.offset}, no multiple of {alignment}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def read_program(apk: Path) -> list[Dex]:
    with zipfile.ZipFile(apk) as archive:
        names = [name for name in archive.namelist() if re.fullmatch(r"classes\d*\.dex", name)]
        return [read_dex(archive.read(name)) for name in names]


def resolves(
    program: list[Dex],
    framework: Lookup,
    oldest: Mapping[str, Declared],
    allowed: Mapping[str, str],
) -> str:
    """Every name exists; those that minSdk's public API lacks are exactly the allowed ones."""
    findings = check_references(program, framework, oldest)
    if findings.unresolved:
        raise CheckFailed(f"not in Android: {', '.join(findings.unresolved)}")
    new = sorted(set(findings.not_in_oldest) - set(allowed))
    if new:
        raise CheckFailed(
            "newer than minSdk or hidden, and not in newer_than_min_sdk.txt: " + ", ".join(new)
        )
    stale = sorted(set(allowed) - set(findings.not_in_oldest))
    if stale:
        raise CheckFailed(f"in newer_than_min_sdk.txt, but unused: {', '.join(stale)}")
    return (
        f"{findings.checked} references to Android exist, "
        f"{len(findings.not_in_oldest)} of them newer than minSdk and on the list"
    )


def reaches_native_code(apk: Path, program: list[Dex], framework: Lookup) -> str:
    """What is found by name at run time is there: TFLite's entry, each native method's function."""
    defined = own_classes(program, framework)
    if FACTORY not in defined or "<init>()V" not in defined[FACTORY].members:
        raise CheckFailed(f"{FACTORY} was removed, and TensorFlow Lite with it")
    wanted = {
        f"Java_{_mangled(name)}_{_mangled(method)}"
        for name, kind in defined.items()
        for method in kind.natives
    }
    with zipfile.ZipFile(apk) as archive:
        for library in (name for name in archive.namelist() if name.endswith(".so")):
            missing = sorted(wanted - read_library(archive.read(library)).exported)
            if missing:
                raise CheckFailed(f"{library} has no {', '.join(missing)}")
    return f"TensorFlow Lite's entry, and the functions of {len(wanted)} native methods"


def _mangled(name: str) -> str:
    """As the Java Native Interface spells names in functions."""
    return name.replace("_", "_1").replace("/", "_").replace("$", "_00024")


def small_enough(apk: Path, abis: Iterable[str], limit: int = LIMIT) -> str:
    """At most `limit` bytes for an APK of one ABI; others have no limit."""
    size = apk.stat().st_size
    if len(set(abis)) > 1:
        return f"{size:,} bytes for several ABIs: no limit"
    if size > limit:
        raise CheckFailed(f"{size:,} bytes, limit {limit:,}")
    return f"{size:,} of {limit:,} bytes"
