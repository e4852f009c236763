"""Does every class, field and method that the program names exist, and since when?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .dex_file import Defined, Dex
from .process import BuildError

# The dexer writes these as a class's bookkeeping; they name no code.
_BOOKKEEPING = "dalvik/annotation/"
_INITIALISER = "<clinit>()V"  # nothing can call it


class Declared(Protocol):
    """What a class, of the program or of a library, says about itself."""

    @property
    def superclass(self) -> str | None: ...
    @property
    def interfaces(self) -> Iterable[str]: ...
    @property
    def members(self) -> Iterable[str]: ...


Lookup = Callable[[str], Declared | None]


@dataclass(frozen=True)
class Findings:
    """References as `class` or `class.member`, sorted."""

    unresolved: list[str]  # not in the framework that the app is compiled against
    not_in_oldest: list[str]  # there, but not public in the oldest Android that the app runs on
    checked: int


def check_references(
    programs: Iterable[Dex], framework: Lookup, oldest: Mapping[str, Declared]
) -> Findings:
    """Resolves what `programs` name in the `framework`, then in the public API of the `oldest`."""
    dexes = list(programs)
    own = own_classes(dexes, framework)

    def in_newest(name: str) -> Declared | None:
        return own.get(name) or framework(name)

    def in_oldest(name: str) -> Declared | None:
        return own.get(name) or oldest.get(name)

    unresolved, newer, checked = set(), set(), 0
    named = {(name, None) for dex in dexes for name in dex.types}
    for owner, member in named | {pair for dex in dexes for pair in dex.members}:
        found = _owner(owner, member, in_newest)
        if found in own or owner.startswith(_BOOKKEEPING) or member == _INITIALISER:
            continue
        checked += 1
        if found is None:
            unresolved.add(_label(owner, member))
        elif _owner(owner, member, in_oldest) is None:
            newer.add(_label(found if owner in own else owner, member))
    return Findings(sorted(unresolved), sorted(newer), checked)


def own_classes(programs: Iterable[Dex], framework: Lookup) -> dict[str, Defined]:
    """The program's classes, without those with which R8 stands in for Android's newer ones.

    Phones that have the real ones take them; on others the stand-ins say that they are missing.
    """
    return {
        name: defined
        for dex in programs
        for name, defined in dex.defined.items()
        if framework(name) is None
    }


def _label(owner: str, member: str | None) -> str:
    return owner if member is None else f"{owner}.{member}"


def _owner(name: str, member: str | None, lookup: Lookup) -> str | None:
    """The class that declares what `name` calls `member`: itself, or one above it."""
    declared = lookup(name)
    if declared is None:
        return None
    if member is None or member in declared.members:
        return name
    for above in (declared.superclass, *declared.interfaces):
        if above and (found := _owner(above, member, lookup)):
            return found
    return None


def read_allowed(path: Path) -> dict[str, str]:
    """References that may be newer than the oldest Android, each with its guard.

    A line is `reference  # guard`; BuildError for a line without a guard.
    """
    allowed = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        reference, _, guard = (part.strip() for part in line.partition("  #"))
        if not line.strip() or line.startswith("#"):
            continue
        if not guard:
            raise BuildError(f"{path.name}:{number}: '{reference}' names no guard after '  #'")
        allowed[reference] = guard
    return allowed
