"""Energy by pretended meters: RAPL's files, and a `vcgencmd` like that of a Raspberry Pi 5."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from skinedge.benchmarks import energy
from skinedge.benchmarks.bench import Plan
from skinedge.benchmarks.energy import find_meter, millijoules
from skinedge.benchmarks.machine import Watch
from skinedge.benchmarks.suite import benchmark
from skinedge.benchmarks.tables import latency

LARGEST = 1_000_000


class Rapl:
    """One processor package; `use` takes so many microjoules."""

    def __init__(self, folder: Path, start: int) -> None:
        self.counter, self.value = folder / "intel-rapl:0" / "energy_uj", start
        # The second is within the first, and the first within the third.
        names = {"intel-rapl:0": "package-0", "intel-rapl:0:0": "core", "intel-rapl:1": "psys"}
        for domain, name in names.items():
            (folder / domain).mkdir(parents=True)
            (folder / domain / "name").write_text(f"{name}\n")
            (folder / domain / "energy_uj").write_text(f"{start}\n")
            (folder / domain / "max_energy_range_uj").write_text(f"{LARGEST}\n")

    def use(self, microjoules: int) -> None:
        self.value = (self.value + microjoules) % LARGEST
        self.counter.write_text(f"{self.value}\n")


@pytest.fixture(params=[10, LARGEST - 3000], ids=["counting", "starting anew"])
def rapl(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rapl:
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    return Rapl(tmp_path, request.param)


def test_a_counter_gives_joules_of_one_call(rapl: Rapl) -> None:
    meter = find_meter()
    assert meter
    assert "RAPL" in meter.name
    assert millijoules(meter, lambda: rapl.use(2500), seconds=0) == pytest.approx(2.5)


def test_a_counter_that_may_not_be_read_is_none(
    rapl: Rapl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert find_meter()
    rapl.counter.unlink()
    rapl.counter.mkdir()
    assert find_meter() is None


RAILS = """   3V7_WL_SW_A current(0)=0.10000000A
   VDD_CORE_A current(7)=2.00000000A
   3V7_WL_SW_V volt(8)=3.70000000V
   VDD_CORE_V volt(15)=0.80000000V
   EXT5V_V volt(24)=5.15408000V
"""


def _vcgencmd(folder: Path, prints: str) -> None:
    script = folder / "vcgencmd"
    script.write_text(f"#!/bin/sh\n[ $1 = pmic_read_adc ] || exit 1\ncat <<END\n{prints}END\n")
    script.chmod(0o755)


def test_rails_of_a_raspberry_pi_5_are_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    _vcgencmd(tmp_path, "VCHI initialization failed\n")
    assert find_meter() is None
    _vcgencmd(tmp_path, RAILS)
    meter = find_meter()
    assert meter
    # 0.37 W and 1.6 W; the rail without a current is not counted.
    with meter.spending() as spent:
        seconds = _wait(0.5)
    assert spent.joules == pytest.approx(1.97 * seconds, rel=0.3)


def _wait(seconds: float) -> float:
    start = time.perf_counter()
    time.sleep(seconds)
    return time.perf_counter() - start


def test_a_report_says_what_an_inference_took(rapl: Rapl) -> None:
    bare = Plan(threads=(1,), runs=4, baseline="", peers=False, published=False)
    assert Watch().machine().meter == "processor packages, RAPL"
    report = benchmark(bare, lambda step, items: lambda done: None, lambda report: None)
    (found,) = report.subjects[0].latency
    assert found.energy == 0  # the pretended counter stands still
    table = latency(report)
    assert table
    assert "inference, mJ" in table.header
    assert any("RAPL" in note for note in table.notes)
