"""The table of quantizers: one row a file, a dash where a network has no map."""

from __future__ import annotations

import math
from dataclasses import replace

from skinedge.benchmarks.quantizers import METRICS, Row, markdown
from skinedge.compress.fidelity import Fidelity


def row(run: str, quantizer: str, correlation: float) -> Row:
    close = Fidelity(1.0, 0.0, correlation, correlation)
    return Row(run, quantizer, dict.fromkeys(METRICS, 0.5), correlation, close, 1234, 99, 1, 0.4)


def test_every_file_has_its_row_and_missing_maps_a_dash() -> None:
    none = replace(row("cbam", "TFLite converter", math.nan), latency=math.nan, refused="no kernel")
    lines = markdown([row("soft", "float32", 1.0), row("eca", "SkinEdge int8", math.nan), none])
    header, rule, soft, eca, cbam = (line.strip("| ").split(" | ") for line in lines.splitlines())
    assert len(header) == len(rule) == len(soft) == len(eca) == len(cbam) == 13
    assert cbam[header.index("partitions")] == "refused"
    assert cbam[header.index("latency")] == "–"
    assert soft[:2] == ["soft", "float32"]
    assert eca[header.index("map correlation")] == eca[header.index("on lesion")] == "–"
    assert eca[header.index("bytes")] == "1,234"
