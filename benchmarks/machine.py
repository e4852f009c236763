"""What ran a benchmark, and what it was doing: read from the system, nothing installed for it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from skinedge.cores import usable_cores

from .energy import find_meter
from .results import Machine

__all__ = ["Watch", "version_of"]

PACKAGES = (
    "skinedge",
    "ai-edge-litert",
    "tflite-runtime",
    "numpy",
    "opencv-python-headless",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "onnxruntime",
    "openvino",
)
# `vcgencmd get_throttled`: bits 0 to 3 say what is so now, 16 to 19 what has been since the start.
_THROTTLED_NOW, _THROTTLED_BEFORE = 0xF, 0xF0000
SECONDS_WATCHED = 1.0


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""


def _processor() -> str:
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    for line in _text("/proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Hardware"):
            return value.strip()
    return platform.processor()


def _ticks() -> tuple[int, int]:
    """What `/proc/stat` counted on our cores: time in use, the hypervisor's too, and all of it."""
    ours = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    used = whole = 0
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *fields = line.split()
        if name in ours:
            # user, nice, system, idle, waiting, interrupts (2), stolen; guests are user's again
            counts = [int(field) for field in fields[:8]]
            whole += sum(counts)
            used += sum(counts) - sum(counts[3:5])
    return used, whole


def _load() -> float | None:
    """Share of our cores that others use in this second; None where the system does not count.

    The load average would not do: it remembers a benchmark that ended a minute ago.
    """
    try:
        (used, whole), own = _ticks(), time.process_time()
        time.sleep(SECONDS_WATCHED)
        (used_now, whole_now), own_now = _ticks(), time.process_time()
        ours = (own_now - own) * os.sysconf("SC_CLK_TCK")
        return round(max(0.0, used_now - used - ours) / (whole_now - whole), 2)
    except (OSError, AttributeError, ValueError, ZeroDivisionError):
        return None


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def version_of(package: str) -> str:
    """An installed package's version; empty where it came under another name, as nightlies do."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _packages() -> dict[str, str]:
    return {name: found for name in PACKAGES if (found := version_of(name))}


def _temperature() -> float | None:
    """The hottest of the system's sensors, degrees Celsius."""
    values = [_text(path) for path in Path("/sys/class/thermal").glob("thermal_zone*/temp")]
    return max((int(value) / 1000 for value in values if value.lstrip("-").isdigit()), default=None)


def _throttled() -> int | None:
    """A Raspberry Pi's own word; None elsewhere."""
    try:
        said = subprocess.run(
            ["vcgencmd", "get_throttled"], capture_output=True, text=True, check=True, timeout=5
        ).stdout
        return int(said.partition("=")[2], 16)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


class Watch:
    """Looks at the machine at the start of a benchmark and at its end.

    Attributes:
        meter: of energy; None where there is none that can be read.
    """

    def __init__(self) -> None:
        self.meter = find_meter()
        self._temperature, self._throttled = _temperature(), _throttled()
        self._load = _load()

    def machine(self, gpu: str = "") -> Machine:
        """What the machine is, and what became of it since."""
        now, temperature = _throttled(), _temperature()
        throttled = None
        if now is not None and self._throttled is not None:
            new = now & ~self._throttled & _THROTTLED_BEFORE
            throttled = bool(new or (now | self._throttled) & _THROTTLED_NOW)
        both = None
        if temperature is not None and self._temperature is not None:
            both = (self._temperature, temperature)
        return Machine(
            processor=_processor(),
            board=_text("/proc/device-tree/model"),
            architecture=platform.machine(),
            cores=usable_cores(),
            memory=_memory(),
            system=f"{platform.system()} {platform.release()}",
            python=platform.python_version(),
            packages=_packages(),
            gpu=gpu,
            governor=_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            temperature=both,
            throttled=throttled,
            load=self._load,
            meter=self.meter.name if self.meter else "",
        )
