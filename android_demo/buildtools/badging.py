"""What Android reads off an APK before it installs it, as `aapt2 dump badging` prints it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Badging:
    package: str
    version: str
    min_sdk: str
    target_sdk: str
    compile_sdk: str
    permissions: tuple[str, ...]
    abis: tuple[str, ...]
    activity: str
    required_features: tuple[str, ...]  # beside those that every phone has

    def differences(self, expected: Badging) -> list[str]:
        """One line for each thing that is not as expected."""
        return [
            f"{field.name} is {getattr(self, field.name)!r}, not {getattr(expected, field.name)!r}"
            for field in fields(self)
            if getattr(self, field.name) != getattr(expected, field.name)
        ]


# aapt2 says so of any app that does not refuse screens without touch.
_EVERY_PHONE = "android.hardware.faketouch"


def read_badging(text: str) -> Badging:
    """Every kind of permission counts: `uses-permission`, `-sdk-23`, optional ones."""
    features = re.findall(r"^ *uses-feature: name='([^']*)'", text, re.MULTILINE)
    native = re.search(r"^native-code: (.*)$", text, re.MULTILINE)
    return Badging(
        package=_value(text, r"^package: name='([^']*)'"),
        version=_value(text, r"^package: .*versionName='([^']*)'"),
        min_sdk=_value(text, r"^(?:minSdk|sdk)Version:'([^']*)'"),
        target_sdk=_value(text, r"^targetSdkVersion:'([^']*)'"),
        compile_sdk=_value(text, r"^package: .*compileSdkVersion='([^']*)'"),
        permissions=tuple(
            sorted(re.findall(r"^ *uses-permission[^:]*: name='([^']*)'", text, re.MULTILINE))
        ),
        abis=tuple(sorted(re.findall(r"'([^']*)'", native[1]))) if native else (),
        activity=_value(text, r"^launchable-activity: name='([^']*)'"),
        required_features=tuple(sorted(set(features) - {_EVERY_PHONE})),
    )


def _value(text: str, pattern: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else ""
