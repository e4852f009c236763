"""The build's downloads: pinned by SHA-256 in downloads.json, fetched once, kept in a cache.

The registries' own clients fetch (`mvn`, `pip`), so that a user's mirrors and proxies apply.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from .process import BuildError, run
from .project import DEMO, Versions

LOCK = DEMO / "buildtools" / "downloads.json"
MAVEN_PLUGIN = "3.6.1"


@dataclass(frozen=True)
class Download:
    """One file. `catalogue` names the version in Gradle's catalogue that `version` must equal."""

    name: str
    registry: str  # maven or pypi
    id: str  # group:artifact, or a distribution's name
    version: str
    sha256: str
    type: str = "jar"
    classifier: str = ""
    catalogue: str = ""

    def path(self, cache: Path) -> Path:
        """Where the file lies in the cache, which is a Maven repository and a folder of wheels."""
        if self.registry == "pypi":
            return cache / "pypi" / f"{self.id}-{self.version}-py3-none-any.whl"
        group, artifact = self.id.split(":")
        tail = f"-{self.classifier}" if self.classifier else ""
        folder = cache / "maven" / group.replace(".", "/") / artifact / self.version
        return folder / f"{artifact}-{self.version}{tail}.{self.type}"


def cache_folder() -> Path:
    """$SKINEDGE_CACHE, or the user's cache folder."""
    if "SKINEDGE_CACHE" in os.environ:
        return Path(os.environ["SKINEDGE_CACHE"]).resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "skinedge" / "android"


def read_lock(lock: Path = LOCK) -> list[Download]:
    return [Download(**entry) for entry in json.loads(lock.read_text(encoding="utf-8"))]


def write_lock(downloads: Iterable[Download], lock: Path = LOCK) -> None:
    """One download a line, empty fields left out, so that a diff shows what changed."""
    lines = [
        json.dumps({key: value for key, value in asdict(download).items() if value})
        for download in downloads
    ]
    lock.write_text("[\n  " + ",\n  ".join(lines) + "\n]\n", encoding="utf-8")


def check_versions(downloads: Collection[Download], versions: Versions) -> None:
    """BuildError if the lock has other versions than Gradle's catalogue, or lacks a library."""
    for download in downloads:
        if download.catalogue and download.version != versions[download.catalogue]:
            raise BuildError(
                f"downloads.json pins {download.id} {download.version}, but libs.versions.toml "
                f"says {download.catalogue} = {versions[download.catalogue]}: "
                "run build_apk.sh lock"
            )
    for library, key in versions.libraries:
        if (library, key) not in {(download.id, download.catalogue) for download in downloads}:
            raise BuildError(
                f"libs.versions.toml has {library}, version {key}, downloads.json has not: add it "
                "there and to buildtools/tools.py"
            )


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(
    downloads: Iterable[Download],
    cache: Path,
    get: Callable[[list[Download], Path], None] | None = None,
) -> dict[str, Path]:
    """Every download's file, by name. Missing, half and altered files are fetched again.

    BuildError if a file is not the pinned one even when fresh from the registry.
    """
    wanted = list(downloads)
    missing = [d for d in wanted if not intact(d, cache)]
    for download in missing:
        download.path(cache).unlink(missing_ok=True)
    if missing:
        (get or get_from_registries)(missing, cache)
    for download in missing:
        if not intact(download, cache):
            raise BuildError(
                f"{download.id} {download.version} has SHA-256 {sha256(download.path(cache))}, "
                f"but downloads.json pins {download.sha256}: do not use it, or run "
                "build_apk.sh lock if the change is meant"
            )
    return {download.name: download.path(cache) for download in wanted}


def intact(download: Download, cache: Path) -> bool:
    """Whether the cache holds the pinned file, whole."""
    path = download.path(cache)
    return path.is_file() and sha256(path) == download.sha256


def get_from_registries(downloads: list[Download], cache: Path) -> None:
    """Fetches all from Maven in one run of `mvn`, then each from PyPI; BuildError if one fails."""
    maven = [d for d in downloads if d.registry == "maven"]
    if maven:
        _get_from_maven(maven, cache / "maven")
    for download in downloads:
        if download.registry == "pypi":
            _get_from_pypi(download, cache / "pypi")
    for download in downloads:
        if not download.path(cache).is_file():
            raise BuildError(f"{download.id} {download.version} did not arrive in {cache}")


def _get_from_maven(downloads: list[Download], repository: Path) -> None:
    executions = "".join(
        f"<execution><id>{escape(d.name)}</id><phase>validate</phase>"
        "<goals><goal>get</goal></goals><configuration><transitive>false</transitive>"
        f"<artifact>{escape(_coordinates(d))}</artifact></configuration></execution>"
        for d in downloads
    )
    with tempfile.TemporaryDirectory() as folder:
        pom = Path(folder) / "pom.xml"
        pom.write_text(
            "<project><modelVersion>4.0.0</modelVersion><groupId>org.skinedge</groupId>"
            "<artifactId>downloads</artifactId><version>1</version><packaging>pom</packaging>"
            "<build><plugins><plugin><groupId>org.apache.maven.plugins</groupId>"
            f"<artifactId>maven-dependency-plugin</artifactId><version>{MAVEN_PLUGIN}</version>"
            f"<executions>{executions}</executions></plugin></plugins></build></project>",
            encoding="utf-8",
        )
        names = ", ".join(d.name for d in downloads)
        run(
            ["mvn", "-B", "-q", "-U", "-f", pom, f"-Dmaven.repo.local={repository}", "validate"],
            f"could not fetch {names} with mvn: is Maven's registry reachable?",
        )


def _coordinates(download: Download) -> str:
    tail = f":{download.classifier}" if download.classifier else ""
    return f"{download.id}:{download.version}:{download.type}{tail}"


def _get_from_pypi(download: Download, folder: Path) -> None:
    run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--only-binary", ":all:", "--dest", folder),
            f"{download.id}=={download.version}",
        ],
        f"could not fetch {download.id} {download.version} with pip: is PyPI reachable?",
    )
