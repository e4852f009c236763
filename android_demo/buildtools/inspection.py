"""Verify a finished APK, with all that its checks need to know."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from . import verify
from .badging import Badging
from .downloads import sha256
from .framework import Framework
from .process import BuildError, run
from .project import APPLICATION_ID, DEMO, Versions
from .references import read_allowed
from .signatures import PublicClass, read_signatures
from .signing import verification
from .sizes import bytes_by_part
from .tools import Tools

_ALLOWED = DEMO / "app" / "newer_than_min_sdk.txt"


@dataclass
class Apk:
    file: Path
    abis: tuple[str, ...]
    sha256: str
    parts: dict[str, int]  # bytes; together the whole file
    checks: list[verify.Check]


@dataclass(frozen=True)
class Inspector:
    tools: Tools
    framework: Framework
    versions: Versions
    model: Path

    def inspect(self, file: Path, abis: tuple[str, ...]) -> Apk:
        """Every check is made, whether or not another fails."""
        program = verify.read_program(file)
        checks = [
            verify.check("signatures", lambda: verify.signed(verification(self.tools, file))),
            verify.check(
                "manifest", lambda: verify.described(self._badging(file), self._expected(abis))
            ),
            verify.check("model", lambda: verify.holds_model(file, self.model)),
            verify.check("native libraries", lambda: verify.maps_libraries(file, abis)),
            verify.check("resource table", lambda: verify.maps_resources(file)),
            verify.check(
                "references",
                lambda: verify.resolves(
                    program, self.framework.find, self._oldest, read_allowed(_ALLOWED)
                ),
            ),
            verify.check(
                "found by name",
                lambda: verify.reaches_native_code(file, program, self.framework.find),
            ),
            verify.check("size", lambda: verify.small_enough(file, abis)),
        ]
        return Apk(file, abis, sha256(file), bytes_by_part(file), checks)

    def _badging(self, file: Path) -> str:
        return run([self.tools.aapt2, "dump", "badging", file], f"aapt2 cannot read {file.name}")

    def _expected(self, abis: tuple[str, ...]) -> Badging:
        return Badging(
            package=APPLICATION_ID,
            version=self.versions["versionName"],
            min_sdk=self.versions["minSdk"],
            target_sdk=self.versions["targetSdk"],
            compile_sdk=self.versions["compileSdk"],
            permissions=("android.permission.CAMERA",),
            abis=tuple(sorted(abis)),
            activity=f"{APPLICATION_ID}.MainActivity",
            required_features=(),
        )

    @cached_property
    def _oldest(self) -> dict[str, PublicClass]:
        """The public API of the oldest Android that the app runs on."""
        name = f"public-api-{self.versions['minSdk']}"
        if name not in self.tools.files:
            raise BuildError(f"downloads.json has no {name}: add one for the new minSdk")
        return read_signatures(self.tools.files[name])
