"""Two reports: a model that got slower is found, a machine that got slower is not blamed on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from skinedge.benchmarks.compare import Row, compare, regressed, text
from skinedge.benchmarks.result_file import read, write
from skinedge.benchmarks.results import (
    Accuracy,
    Latency,
    Machine,
    Report,
    Size,
    Spread,
    Subject,
)


def spread(ms: float) -> Spread:
    return Spread(ms, 0.98 * ms, 1.1 * ms, 100)


def timed(one: float, two: float) -> tuple[Latency, ...]:
    return tuple(Latency(n, spread(ms), total=spread(ms + 1)) for n, ms in ((1, one), (2, two)))


ACCURACY = Accuracy(
    False,
    "HAM10000",
    "test",
    1121,
    {"balanced_accuracy": 0.7736, "macro_auroc": 0.9706, "melanoma_auroc": None},
    {"balanced_accuracy": (0.745, 0.802)},
)
MODEL = Subject(
    "edge int8",
    "edge.tflite",
    "LiteRT 2.1.0",
    "cpu",
    "int8",
    "trained",
    "model",
    224,
    Size(3_870_000, 3_410_000, 385_000_000, 1, {}, 1_200_000, 61_500_000, spread(210)),
    timed(10.0, 6.0),
    accuracy=ACCURACY,
)
FLOAT = replace(MODEL, name="edge float32", precision="float32", latency=timed(30.0, 17.0))
KERAS = Subject(
    "Keras",
    "runs/edge",
    "Keras 3.12",
    "cpu",
    "float32",
    "trained",
    "baseline",
    224,
    Size(14_000_000),
    (Latency(2, spread(60.0)),),
)
PUBLISHED = replace(
    KERAS, name="cbam-b3", weights="random", role="published", accuracy=ACCURACY, latency=()
)
PEER = replace(
    MODEL, name="ONNX", runtime="ONNX Runtime 1.20", role="peer", size=Size(1), refused="no package"
)
MACHINE = Machine("Ryzen 7", "", "x86_64", 8, None, "Linux", "3.11", {})
OLD = Report(
    True,
    "skinedge benchmark",
    "2026-07-01T10:00:00",
    100.0,
    0,
    MACHINE,
    (MODEL, FLOAT, KERAS, PUBLISHED, PEER),
)


def slower(subject: Subject, factor: float) -> Subject:
    def scaled(found: Spread | None) -> Spread | None:
        if found is None:
            return None
        return Spread(found.median * factor, found.p5 * factor, found.p95 * factor, found.runs)

    latency = tuple(
        replace(t, inference=scaled(t.inference), total=scaled(t.total)) for t in subject.latency
    )
    start = scaled(subject.size.cold_start)
    return replace(subject, latency=latency, size=replace(subject.size, cold_start=start))


def with_subjects(change: Callable[[Subject], Subject], report: Report = OLD) -> Report:
    return replace(report, subjects=tuple(map(change, report.subjects)))


def worse(rows: list[Row]) -> set[tuple[str, str]]:
    return {(row.subject, row.figure.split(",")[0]) for row in rows if row.regressed}


def only(name: str, change: Callable[[Subject], Subject]) -> Callable[[Subject], Subject]:
    return lambda subject: change(subject) if subject.name == name else subject


def test_nothing_changed() -> None:
    rows = compare(OLD, OLD)
    assert rows
    assert not regressed(rows)
    assert re.search(r"None of \d+ figures got worse\.$", text(rows))


@pytest.mark.parametrize("name", ["edge int8", "edge float32"])
@pytest.mark.parametrize("drift", [1.0, 2.0, 0.6])
def test_a_slower_model_is_found_under_any_drift_of_the_machine(name: str, drift: float) -> None:
    drifted = with_subjects(lambda s: slower(s, drift))
    assert not regressed(compare(drifted, OLD))
    rows = compare(with_subjects(only(name, lambda s: slower(s, 1.1)), drifted), OLD)
    assert worse(rows) == {(name, "inference"), (name, "total")}
    (row,) = (r for r in rows if r.subject == name and r.figure.startswith("inference, 2 threads"))
    assert row.ratio == pytest.approx(1.1)
    assert "WORSE" in text(rows)


def test_less_than_the_tolerance_is_noise() -> None:
    new = with_subjects(only("edge int8", lambda s: slower(s, 1.1)))
    assert not regressed(compare(new, OLD, tolerance=0.15))


def test_without_a_yardstick_the_last_model_is_one() -> None:
    old = replace(OLD, subjects=(MODEL, FLOAT))
    new = replace(OLD, subjects=(slower(MODEL, 2.2), slower(FLOAT, 2.0)))
    assert worse(compare(new, old)) == {("edge int8", "inference"), ("edge int8", "total")}
    doubtful = compare(replace(OLD, subjects=(MODEL, slower(FLOAT, 1.1))), old)
    assert not regressed(doubtful)
    assert any(row.note == "or the yardstick got slower" for row in doubtful)


def test_a_model_alone_has_nothing_to_be_compared_with() -> None:
    old, new = (replace(OLD, subjects=(s,)) for s in (MODEL, slower(MODEL, 3)))
    rows = compare(new, old)
    assert not regressed(rows)
    assert "nothing to compare it with" in text(rows)


def test_a_yardstick_of_another_version_is_none() -> None:
    updated = with_subjects(only("Keras", lambda s: replace(slower(s, 0.5), runtime="Keras 3.13")))
    assert not regressed(compare(updated, OLD))


def test_another_machine_says_nothing_about_time() -> None:
    for machine in (
        replace(MACHINE, processor="Cortex-A76"),
        replace(MACHINE, cores=4),
        replace(MACHINE, processor="", board=""),
    ):
        new = with_subjects(
            only("edge int8", lambda s: slower(s, 3)), replace(OLD, machine=machine)
        )
        rows = compare(new, OLD)
        assert not regressed(rows)
        assert "no time is judged" in text(rows)
    heavy = with_subjects(only("edge int8", lambda s: replace(s, size=Size(4_000_000))), new)
    assert worse(compare(heavy, OLD)) == {("edge int8", "file")}


@pytest.mark.parametrize(
    ("size", "what"),
    [
        (replace(MODEL.size, file=3_870_001), "file"),
        (replace(MODEL.size, parameters=3_500_000), "parameters"),
        (replace(MODEL.size, partitions=2), "partitions"),
        (replace(MODEL.size, outside={"CUMSUM": 1}), "operators outside"),
        (replace(MODEL.size, peak_memory=70_000_000), "peak memory"),
    ],
)
def test_what_grew_is_found(size: Size, what: str) -> None:
    new = with_subjects(only("edge int8", lambda s: replace(s, size=size)))
    assert worse(compare(new, OLD)) == {("edge int8", what)}
    assert not regressed(compare(OLD, new))


def test_memory_may_wobble_and_a_cold_start_is_not_judged() -> None:
    size = replace(MODEL.size, peak_memory=62_000_000, cold_start=spread(900))
    new = with_subjects(only("edge int8", lambda s: replace(s, size=size)))
    assert not regressed(compare(new, OLD))


def judged(accuracy: Accuracy | None) -> list[Row]:
    new = with_subjects(only("edge int8", lambda s: replace(s, accuracy=accuracy)))
    return compare(new, OLD)


def test_a_metric_may_fall_a_little() -> None:
    metrics = {**ACCURACY.metrics, "balanced_accuracy": 0.7720}
    assert not regressed(judged(replace(ACCURACY, metrics=metrics)))
    metrics = {**ACCURACY.metrics, "balanced_accuracy": 0.7700, "macro_auroc": 0.9800}
    assert worse(judged(replace(ACCURACY, metrics=metrics))) == {("edge int8", "balanced accuracy")}
    metrics = {**ACCURACY.metrics, "balanced_accuracy": 0.7}
    rows = judged(replace(ACCURACY, metrics=metrics))
    assert [row.note for row in rows if row.regressed] == ["beyond the old 95 % interval"]


def test_accuracy_of_other_images_is_not_compared() -> None:
    other = replace(ACCURACY, images=200, metrics={"balanced_accuracy": 0.5})
    assert not regressed(judged(other))
    assert "of other images" in text(judged(other))
    assert not regressed(judged(None))


def test_random_weights_have_no_accuracy_to_lose() -> None:
    lower = replace(ACCURACY, metrics={"balanced_accuracy": 0.1})
    new = with_subjects(only("cbam-b3", lambda s: replace(s, accuracy=lower)))
    assert not regressed(compare(new, OLD))


def test_what_is_missing_or_refused_is_said() -> None:
    new = replace(
        OLD, complete=False, subjects=(replace(MODEL, refused="answers otherwise"), KERAS)
    )
    rows = compare(new, OLD)
    assert not regressed(rows)
    notes = {(row.subject, row.note) for row in rows}
    assert ("edge float32", "missing now") in notes
    assert ("edge int8", "refused: answers otherwise") in notes
    assert ("", "the new run was not finished") in notes


def test_reports_from_files_compare(tmp_path: Path) -> None:
    write(OLD, tmp_path / "old.json")
    assert compare(read(tmp_path / "old.json"), OLD) == compare(OLD, OLD)


def test_nothing_in_common() -> None:
    empty = replace(OLD, subjects=())
    assert text(compare(empty, empty)) == "None of 0 figures got worse."
