"""Whatever is wrong with an APK, the build refuses it; and the same inputs give the same bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import small_apk
from buildtools import verify
from buildtools.apk_zip import Entry, different_entries, read_layout, write_zip
from buildtools.badging import Badging
from buildtools.process import BuildError
from buildtools.resources import complete_manifest
from buildtools.sizes import bytes_by_part
from small_apk import ABI, LIBRARY, MODEL

BADGING = """\
package: name='org.skinedge.demo' versionCode='1' versionName='0.1.0' compileSdkVersion='36'
minSdkVersion:'26'
targetSdkVersion:'36'
uses-permission: name='android.permission.CAMERA'
launchable-activity: name='org.skinedge.demo.MainActivity'  label='' icon=''
feature-group: label=''
  uses-feature-not-required: name='android.hardware.camera'
  uses-feature: name='android.hardware.faketouch'
native-code: 'arm64-v8a' 'x86_64'
"""
EXPECTED = Badging(
    package="org.skinedge.demo",
    version="0.1.0",
    min_sdk="26",
    target_sdk="36",
    compile_sdk="36",
    permissions=("android.permission.CAMERA",),
    abis=("arm64-v8a", "x86_64"),
    activity="org.skinedge.demo.MainActivity",
    required_features=(),
)
SIGNED = (
    """\
Verified using v1 scheme (JAR signing): true
Verified using v2 scheme (APK Signature Scheme v2): true
Verified using v3 scheme (APK Signature Scheme v3): true
Signer #1 certificate SHA-256 digest: """
    + 64 * "a"
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "edge.tflite"
    path.write_bytes(MODEL)
    return path


def apk(tmp_path: Path, **changes: Entry) -> Path:
    made = small_apk.entries() | {entry.name: entry for entry in changes.values()}
    return small_apk.write(tmp_path / "small.apk", made)


def test_a_good_apk_passes(tmp_path: Path, model: Path) -> None:
    good = apk(tmp_path)
    assert verify.holds_model(good, model).startswith("stored, SHA-256 ")
    assert "own segments: of 4096" in verify.maps_libraries(good, [ABI])
    assert verify.maps_resources(good)
    assert verify.described(BADGING, EXPECTED).endswith("permissions: android.permission.CAMERA")
    assert verify.signed(SIGNED)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Entry("assets/model.tflite", MODEL), "is compressed"),
        (Entry("assets/model.tflite", b"X" + MODEL[1:], 64), "has SHA-256"),
        (Entry("assets/model.sha256", 64 * b"0"), "the app asks for"),
    ],
)
def test_another_model_is_refused(tmp_path: Path, model: Path, entry: Entry, reason: str) -> None:
    with pytest.raises(verify.CheckFailed, match=reason):
        verify.holds_model(apk(tmp_path, changed=entry), model)


def test_a_missing_model_is_refused(tmp_path: Path, model: Path) -> None:
    made = small_apk.entries()
    del made["assets/model.tflite"]
    with pytest.raises(verify.CheckFailed, match="missing"):
        verify.holds_model(small_apk.write(tmp_path / "small.apk", made), model)


@pytest.mark.parametrize(
    ("alignment", "reason"), [(4096, "no multiple of 16384"), (0, "compressed")]
)
def test_a_library_that_cannot_be_mapped_is_refused(
    tmp_path: Path, alignment: int, reason: str
) -> None:
    library = replace(small_apk.entries()[LIBRARY], alignment=alignment)
    with pytest.raises(verify.CheckFailed, match=reason):
        verify.maps_libraries(apk(tmp_path, library=library), [ABI])


def test_libraries_for_other_processors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(verify.CheckFailed, match="libraries for arm64-v8a, not for arm64-v8a, x86"):
        verify.maps_libraries(apk(tmp_path), [ABI, "x86_64"])


def test_a_compressed_resource_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(verify.CheckFailed, match=r"resources\.arsc is compressed"):
        verify.maps_resources(apk(tmp_path, table=Entry("resources.arsc", b"table")))


@pytest.mark.parametrize(
    ("line", "instead", "reason"),
    [
        ("targetSdk", "uses-permission: name='android.permission.INTERNET'\ntargetSdk", "INTERNET"),
        ("targetSdk", "uses-permission-sdk-23: name='a.B'\ntargetSdk", "permissions is"),
        ("uses-permission: name='android.permission.CAMERA'", "", "permissions is"),
        ("minSdkVersion:'26'", "minSdkVersion:'24'", "min_sdk is '24', not '26'"),
        (" 'x86_64'", "", "abis is"),
        ("uses-feature-not-required", "uses-feature", "android.hardware.camera"),
        ("launchable", "other", "activity is ''"),
    ],
)
def test_another_manifest_is_refused(line: str, instead: str, reason: str) -> None:
    assert line in BADGING
    with pytest.raises(verify.CheckFailed, match=reason):
        verify.described(BADGING.replace(line, instead, 1), EXPECTED)


@pytest.mark.parametrize("scheme", ["v1", "v2", "v3"])
def test_every_signature_scheme_is_asked_for(scheme: str) -> None:
    lines = [
        line.replace("true", "false") if f"using {scheme} " in line else line
        for line in SIGNED.splitlines()
    ]
    with pytest.raises(verify.CheckFailed, match=f"not signed by {scheme}"):
        verify.signed("\n".join(lines))


def test_an_apk_over_the_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(verify.CheckFailed, match="limit 1,000"):
        verify.small_enough(apk(tmp_path), [ABI], limit=1000)
    assert verify.small_enough(apk(tmp_path), [ABI, "x86_64"], limit=1000)


def test_the_parts_are_the_whole(tmp_path: Path) -> None:
    made = apk(tmp_path)
    parts = bytes_by_part(made)
    assert sum(parts.values()) == made.stat().st_size
    assert parts["model"] == len(MODEL)


def test_the_same_entries_give_the_same_bytes(tmp_path: Path) -> None:
    first, second, other = (
        small_apk.write(tmp_path / name, small_apk.entries(*functions))
        for name, functions in (("1.apk", ()), ("2.apk", ()), ("3.apk", ("run",)))
    )
    assert first.read_bytes() == second.read_bytes()
    assert different_entries(first, other) == [LIBRARY]


@pytest.mark.parametrize("alignment", [4, 64, 4096, 16384])
def test_stored_entries_start_where_they_should(tmp_path: Path, alignment: int) -> None:
    path = tmp_path / "some.zip"
    made = [Entry(f"{'n' * size}.bin", bytes(size), alignment) for size in range(1, 40)]
    write_zip(path, made)
    layout = read_layout(path)
    assert [entry.offset % alignment for entry in layout] == [0] * len(made)
    data = path.read_bytes()
    for entry, wanted in zip(layout, made, strict=True):
        assert data[entry.offset : entry.offset + entry.bytes_in_zip] == wanted.data


MANIFEST = """\
<manifest xmlns:android="http://schemas.android.com/apk/res/android"
    xmlns:tools="http://schemas.android.com/tools">
  <application android:label="x" tools:ignore="y" />
</manifest>"""


def test_the_manifest_gets_what_gradle_would_add() -> None:
    complete = complete_manifest(
        MANIFEST, {"plain": "<manifest><uses-sdk/><application/></manifest>"}
    )
    assert 'package="org.skinedge.demo"' in complete
    assert 'android:extractNativeLibs="false"' in complete
    assert "tools" not in complete


def test_a_library_that_adds_a_permission_is_refused() -> None:
    library = "<manifest><uses-permission/></manifest>"
    with pytest.raises(BuildError, match=r"net\.aar adds <uses-permission>"):
        complete_manifest(MANIFEST, {"net.aar": library})
