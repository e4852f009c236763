"""Put an APK together, as app/build.gradle.kts and the Android Gradle plugin do."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from .apk_zip import MODEL_ALIGNMENT, PAGE, Entry, write_zip
from .process import BuildError
from .project import REPOSITORY
from .verify import MODEL_ASSET, MODEL_HASH_ASSET, RESOURCE_TABLE

_MANIFEST = "AndroidManifest.xml"


def package(
    out: Path,
    resources: Path,
    dex: Mapping[str, bytes],
    model: bytes,
    archives: Iterable[Path],
    abis: Collection[str],
) -> None:
    """Writes the unsigned APK; `resources` is what aapt2 linked."""
    files = {
        **_files(resources),
        **dex,
        MODEL_ASSET: model,
        MODEL_HASH_ASSET: hashlib.sha256(model).hexdigest().encode(),
        "assets/LICENSE.txt": (REPOSITORY / "LICENSE").read_bytes(),
        **{
            f"lib/{abi}/{name}": data
            for archive in archives
            for abi, name, data in _native_libraries(archive)
            if abi in abis
        },
    }
    # The manifest first: installers look for it there.
    names = sorted(files, key=lambda name: (name != _MANIFEST, name))
    write_zip(out, [Entry(name, files[name], _alignment(name)) for name in names])


def check_abis(archives: Iterable[Path], abis: Iterable[str]) -> None:
    """BuildError unless there are native libraries for all of them."""
    offered = {abi for archive in archives for abi, _, _ in _native_libraries(archive)}
    for abi in abis:
        if abi not in offered:
            raise BuildError(f"no libraries for '{abi}', only for {', '.join(sorted(offered))}")


def _native_libraries(archive: Path) -> Iterator[tuple[str, str, bytes]]:
    """Each library in an Android archive: its ABI, its name, its content."""
    for path, data in _files(archive).items():
        if path.startswith("jni/"):
            _, abi, name = path.split("/")
            yield abi, name, data


def _alignment(name: str) -> int:
    if name.endswith(".so"):
        return PAGE
    if name == MODEL_ASSET:
        return MODEL_ALIGNMENT
    return 4 if name == RESOURCE_TABLE else 0


def _files(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as content:
        return {name: content.read(name) for name in content.namelist() if name[-1] != "/"}
