"""Sign the APK with the demo's debug key, and read its signatures back.

The key is public, in this repository, so that everybody's build has the same bytes and updates
everybody's install. It proves nothing about who built an APK: never publish one signed with it.
"""

from __future__ import annotations

from pathlib import Path

from .process import java
from .tools import Tools

KEYSTORE = Path(__file__).parent / "debug.keystore"
_PASSWORD = "android"
_ALIAS = "androiddebugkey"
# Older than any Android that the app runs on: only those check the first scheme.
_CHECKS_SCHEME_1 = "21"


def sign(tools: Tools, unsigned: Path, signed: Path) -> None:
    """By schemes 1, 2 and 3. Entries keep their alignment."""
    java(
        "-jar",
        tools.apksigner,
        "sign",
        *("--ks", KEYSTORE, "--ks-key-alias", _ALIAS, "--ks-pass", f"pass:{_PASSWORD}"),
        *("--v1-signing-enabled", "true", "--v2-signing-enabled", "true"),
        *("--v3-signing-enabled", "true", "--in", unsigned, "--out", signed),
        failure=f"{unsigned.name} cannot be signed; see apksigner's messages above",
    )


def verification(tools: Tools, apk: Path) -> str:
    """What apksigner says of the APK's signatures; BuildError if it refuses them."""
    return java(
        *("-jar", tools.apksigner, "verify", "--verbose", "--print-certs"),
        *("--min-sdk-version", _CHECKS_SCHEME_1, apk),
        failure=f"apksigner refuses {apk.name}; see its messages above",
    )
