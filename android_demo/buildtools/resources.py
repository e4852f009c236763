"""The app's manifest and resources, made binary by aapt2."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
import zipfile
from dataclasses import dataclass
from pathlib import Path

from .process import BuildError, run
from .project import APPLICATION_ID, Versions
from .tools import Tools

_ANDROID = "http://schemas.android.com/apk/res/android"
_TOOLS = "http://schemas.android.com/tools"


@dataclass(frozen=True)
class Linked:
    archive: Path  # AndroidManifest.xml, resources.arsc and res/, as a zip
    java: Path  # a folder with R.java
    keep_rules: Path  # for the classes that manifest and layouts name


def link_resources(tools: Tools, main: Path, versions: Versions, work: Path) -> Linked:
    """`main` is the app's src/main."""
    manifest = work / "AndroidManifest.xml"
    libraries = {archive.name: _manifest_of(archive) for archive in tools.runtime_archives}
    source = (main / "AndroidManifest.xml").read_text(encoding="utf-8")
    manifest.write_text(complete_manifest(source, libraries), encoding="utf-8")
    compiled = work / "compiled.zip"
    _aapt2(tools, "compile", "--dir", main / "res", "-o", compiled)
    linked = Linked(work / "resources.zip", work / "generated", work / "resources.pro")
    _aapt2(
        tools,
        *("link", "-I", tools.android, "--manifest", manifest),
        *("--min-sdk-version", versions["minSdk"], "--target-sdk-version", versions["targetSdk"]),
        *("--version-code", versions["versionCode"], "--version-name", versions["versionName"]),
        *("--java", linked.java, "--proguard", linked.keep_rules, "-o", linked.archive, compiled),
    )
    return linked


def _aapt2(tools: Tools, *arguments: str | Path) -> None:
    """Warnings are errors."""
    failure = "the app's manifest and resources do not compile; see aapt2's messages above"
    said = run([tools.aapt2, *arguments], failure)
    if said:
        raise BuildError(failure, said)


def complete_manifest(source: str, libraries: dict[str, str]) -> str:
    """The app's manifest with what the Android Gradle plugin would add to it.

    `libraries` are the manifests of the archives that go into the app. They must add nothing:
    BuildError if one does, for then merging would have to be written first.
    """
    for name, text in libraries.items():
        _refuse_additions(name, ElementTree.fromstring(text))
    ElementTree.register_namespace("android", _ANDROID)
    manifest = ElementTree.fromstring(source)
    manifest.set("package", APPLICATION_ID)
    for element in manifest.iter():
        for key in [key for key in element.attrib if key.startswith(f"{{{_TOOLS}}}")]:
            del element.attrib[key]
    application = manifest.find("application")
    if application is None:
        raise BuildError("AndroidManifest.xml has no <application>")
    # Stored and page-aligned, native libraries are mapped from the APK, not copied out of it.
    application.set(f"{{{_ANDROID}}}extractNativeLibs", "false")
    return ElementTree.tostring(manifest, encoding="unicode")


def _refuse_additions(name: str, manifest: ElementTree.Element) -> None:
    for element in manifest:
        if element.tag == "uses-sdk" or (element.tag == "application" and not len(element)):
            continue
        raise BuildError(f"{name} adds <{element.tag}> to the app's manifest; nothing merges that")


def _manifest_of(archive: Path) -> str:
    with zipfile.ZipFile(archive) as content:
        return content.read("AndroidManifest.xml").decode("utf-8")
