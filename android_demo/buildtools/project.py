"""Where things lie in this repository, and which versions the build uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tomllib

from .process import BuildError

DEMO = Path(__file__).resolve().parent.parent
REPOSITORY = DEMO.parent
EMBEDDED_MODEL = REPOSITORY / "src" / "skinedge" / "models" / "edge.tflite"
CATALOGUE = DEMO / "gradle" / "libs.versions.toml"
APPLICATION_ID = "org.skinedge.demo"


@dataclass(frozen=True)
class Versions:
    """Gradle's catalogue: the one place where versions are written."""

    of: dict[str, str]
    libraries: tuple[tuple[str, str], ...] = ()  # group:artifact, and its key in `of`

    def __getitem__(self, key: str) -> str:
        if key not in self.of:
            raise BuildError(f"{CATALOGUE.relative_to(REPOSITORY)} has no version '{key}'")
        return self.of[key]


def read_versions(catalogue: Path = CATALOGUE) -> Versions:
    """BuildError unless the catalogue can be read and its libraries refer to its versions."""
    try:
        tables = tomllib.loads(catalogue.read_text(encoding="utf-8"))
        versions = {key: str(value) for key, value in tables["versions"].items()}
        libraries = tables["libraries"].values()
        return Versions(versions, tuple((e["module"], e["version"]["ref"]) for e in libraries))
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise BuildError(f"{catalogue}: no versions can be read ({error})") from None
