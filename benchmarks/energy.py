"""What an inference costs in energy, where the system has a meter that may be read.

    meter = find_meter()
    if meter:
        print(meter.name, millijoules(meter, call))

Both meters count everything that the chip does meanwhile, idling included: they compare models on
one machine, and say little of a battery. Processors of Intel and AMD count joules themselves
(RAPL; Linux lets only root read them by default); the power chip of a Raspberry Pi 5 tells current
and voltage of the rails it feeds, which leaves out what hangs on the 5 V rail directly.
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Meter", "find_meter", "millijoules"]

POWERCAP = Path("/sys/class/powercap")
SECONDS = 1.0  # of inferences for one figure: a thousand steps of RAPL's counter
_EVERY = 0.1  # seconds between two looks at a Raspberry Pi's rails
_RAIL = re.compile(r"^\s*(\w+)_([AV])(?: \w+\(\d+\))?=([\d.]+)[AV]\s*$", re.MULTILINE)


@dataclass
class _Spent:
    """Joules; known when what was metered is over, and None if the meter failed meanwhile."""

    joules: float | None = None


@dataclass(frozen=True)
class Meter:
    """Measures what is done while it is open.

    Attributes:
        name: what it is, for people.
        spending: a context that fills in what was spent in it.
    """

    name: str
    spending: Callable[[], AbstractContextManager[_Spent]]


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdigit() else None


def _counters() -> Meter | None:
    """RAPL's counters of whole processor packages, which start anew at their largest value."""
    # Not the domains within a package (`intel-rapl:0:0`), nor what has packages within it (psys).
    zones = [zone for zone in sorted(POWERCAP.glob("intel-rapl:*")) if zone.name.count(":") == 1]
    packages = [zone for zone in zones if _text(zone / "name").startswith("package")]
    if not packages or None in [_number(package / "energy_uj") for package in packages]:
        return None

    @contextmanager
    def spending() -> Iterator[_Spent]:
        spent, before = _Spent(), [_number(package / "energy_uj") for package in packages]
        yield spent
        joules = 0.0
        for package, start in zip(packages, before, strict=True):
            end, largest = _number(package / "energy_uj"), _number(package / "max_energy_range_uj")
            if start is None or end is None or (end < start and largest is None):
                return
            joules += (end - start + (largest or 0) * (end < start)) / 1e6
        spent.joules = joules

    return Meter("processor packages, RAPL", spending)


def _watts() -> float | None:
    """What a Raspberry Pi 5's power chip feeds its rails with; None elsewhere."""
    try:
        said = subprocess.run(
            ["vcgencmd", "pmic_read_adc"], capture_output=True, text=True, check=True, timeout=5
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    rails: dict[str, dict[str, float]] = {}
    for name, unit, value in _RAIL.findall(said):
        rails.setdefault(name, {})[unit] = float(value)
    powers = [rail["A"] * rail["V"] for rail in rails.values() if len(rail) == 2]
    return sum(powers) if powers else None


def _rails() -> Meter | None:
    """A Raspberry Pi 5's rails, looked at again and again."""
    if _watts() is None:
        return None

    @contextmanager
    def spending() -> Iterator[_Spent]:
        seen: list[float | None] = []
        spent, over = _Spent(), threading.Event()

        def look() -> None:
            while not over.wait(_EVERY):
                seen.append(_watts())

        looking, start = threading.Thread(target=look, daemon=True), time.perf_counter()
        looking.start()
        try:
            yield spent
        finally:
            seconds = time.perf_counter() - start
            over.set()
            looking.join()
        known = [watts for watts in seen if watts is not None]
        if known:
            spent.joules = sum(known) / len(known) * seconds

    return Meter("rails of the power chip, Raspberry Pi 5", spending)


def find_meter() -> Meter | None:
    """The machine's meter; None where there is none, or none that this user may read."""
    return _counters() or _rails()


def millijoules(meter: Meter, call: Callable[[], object], seconds: float = SECONDS) -> float | None:
    """Millijoules of one call, the mean over as many as fit into `seconds`; None if unknown."""
    call()
    calls, start = 0, time.perf_counter()
    with meter.spending() as spent:
        while not calls or time.perf_counter() - start < seconds:
            call()
            calls += 1
    return None if spent.joules is None else 1e3 * spent.joules / calls
