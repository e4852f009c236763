"""Two reports: a model that got slower is found, a machine that got slower is not blamed on it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from skinedge.benchmarks.compare import Row, compare, regressed, text
from skinedge.benchmarks.result_file import read, write
from skinedge.benchmarks.results import (
    Accuracy,
    Change,
    Latency,
    Machine,
    Operator,
    Report,
    Roof,
    Size,
    Spread,
    Subject,
)
from skinedge.errors import UsageError


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
    assert re.search(r"None of [1-9]\d* judged figures got worse\.$", text(rows))


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


def test_without_a_yardstick_it_is_said_that_no_time_was_judged() -> None:
    old, new = (replace(OLD, subjects=(s,)) for s in (MODEL, slower(MODEL, 3)))
    rows = compare(new, old)
    assert not regressed(rows)
    assert "not judged: there is no yardstick" in text(rows)
    assert text(rows).endswith("judged figures got worse. No time was judged.")


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
        assert text(rows).endswith("No time was judged.")
    size = replace(MODEL.size, file=4_000_000, peak_memory=90_000_000)
    heavy = with_subjects(only("edge int8", lambda s: replace(s, size=size, latency=())), new)
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


def test_random_weights_have_no_accuracy_to_lose() -> None:
    lower = replace(ACCURACY, metrics={"balanced_accuracy": 0.1})
    new = with_subjects(only("cbam-b3", lambda s: replace(s, accuracy=lower)))
    assert not regressed(compare(new, OLD))


def test_what_is_missing_or_refused_is_said() -> None:
    new = replace(
        OLD, complete=False, subjects=(replace(MODEL, refused="answers otherwise"), KERAS)
    )
    rows = compare(new, OLD)
    assert worse(rows) == {("edge int8", "subject"), ("edge float32", "subject")}
    notes = {(row.subject, row.note) for row in rows}
    assert ("edge float32", "missing now") in notes
    assert ("cbam-b3", "missing now") in notes
    assert ("edge int8", "refused: answers otherwise") in notes
    assert ("", "the new run was not finished") in notes


def test_reports_from_files_compare(tmp_path: Path) -> None:
    write(OLD, tmp_path / "old.json")
    assert compare(read(tmp_path / "old.json"), OLD) == compare(OLD, OLD)


def test_nothing_in_common() -> None:
    empty = replace(OLD, subjects=())
    total = "None of 0 judged figures got worse. No time was judged."
    assert text(compare(empty, empty)) == total


def two(new: tuple[Subject, ...], old: tuple[Subject, ...]) -> list[Row]:
    return compare(replace(OLD, subjects=new), replace(OLD, subjects=old))


def yardsticks(rows: list[Row]) -> set[tuple[str, str]]:
    return {(row.subject, row.figure) for row in rows if "the yardstick" in row.note}


RUNS = replace(PEER, refused="", size=replace(MODEL.size, cold_start=None), latency=timed(9.0, 5.0))


def test_a_peer_of_the_judged_model_does_not_hide_that_both_got_slower() -> None:
    old = (RUNS, MODEL, KERAS)
    rows = two((slower(RUNS, 1.5), slower(MODEL, 1.5), KERAS), old)
    assert worse(rows) == {("edge int8", "inference"), ("edge int8", "total")}
    assert yardsticks(rows) == {("Keras", "inference, 2 threads, ms")}


def test_a_published_network_comes_before_a_peer() -> None:
    published = replace(PUBLISHED, latency=KERAS.latency)
    rows = two((RUNS, MODEL, published), (RUNS, MODEL, published))
    assert {name for name, _ in yardsticks(rows)} == {"cbam-b3"}


def test_a_peer_is_a_yardstick_while_its_model_is_the_same_file() -> None:
    rows = two((RUNS, slower(MODEL, 1.2)), (RUNS, MODEL))
    assert worse(rows) == {("edge int8", "inference"), ("edge int8", "total")}
    assert {name for name, _ in yardsticks(rows)} == {"ONNX"}
    larger = replace(MODEL, size=replace(MODEL.size, file=3_860_000))
    rows = two((RUNS, slower(larger, 1.2)), (RUNS, MODEL))
    assert not yardsticks(rows)
    stranger = replace(RUNS, source="other.tflite")
    assert not yardsticks(two((stranger, MODEL), (stranger, MODEL)))


def test_a_gpu_is_no_yardstick() -> None:
    gpu = replace(KERAS, device="gpu", latency=(Latency(0, spread(5.0)),))
    rows = two((MODEL, gpu), (MODEL, gpu))
    assert not yardsticks(rows)
    rows = two((slower(MODEL, 1.2), gpu, RUNS), (MODEL, gpu, RUNS))
    assert {name for name, _ in yardsticks(rows)} == {"ONNX"}
    assert worse(rows) == {("edge int8", "inference"), ("edge int8", "total")}


def roof(rate: float) -> Roof:
    return Roof("edge int8", "int8", rate, 2e10, (Operator("conv", "CONV_2D", 1, 1),))


def alone(subject: Subject, rate: float) -> Report:
    return replace(OLD, subjects=(subject,), roofs=(roof(rate),))


def test_a_model_alone_is_set_against_the_roof_with_one_thread() -> None:
    old = alone(MODEL, 2e11)
    rows = compare(alone(slower(MODEL, 3), 2e11), old)
    assert worse(rows) == {("edge int8", "inference"), ("edge int8", "total")}
    assert all("1 thread" in row.figure for row in rows if row.regressed)
    assert "No time was judged" not in text(rows)
    assert not regressed(compare(alone(slower(MODEL, 3), 2e11 / 3), old))
    assert not regressed(compare(alone(slower(MODEL, 1.2), 2e11), old))
    updated = replace(slower(MODEL, 3), runtime="LiteRT 2.2.0")
    assert text(compare(alone(updated, 2e11), old)).endswith("No time was judged.")


def staged(preprocessing: float, throughput: float, drift: float = 1.0) -> Subject:
    drifted = slower(MODEL, drift)
    first = replace(
        drifted.latency[0],
        preprocessing=spread(preprocessing * drift),
        postprocessing=spread(0.1 * drift),
        throughput=throughput / drift,
    )
    return replace(drifted, latency=(first, drifted.latency[1]))


@pytest.mark.parametrize("drift", [1.0, 2.0])
@pytest.mark.parametrize(
    ("preprocessing", "throughput", "what"),
    [(3.9, 80.0, {"preprocessing"}), (3.0, 60.0, {"throughput"}), (3.6, 67.0, set())],
)
def test_stages_and_throughput_are_judged_with_room_for_noise(
    preprocessing: float, throughput: float, what: set[str], drift: float
) -> None:
    new = staged(preprocessing, throughput, drift)
    rows = two((new, slower(KERAS, drift)), (staged(3.0, 80.0), KERAS))
    assert worse(rows) == {("edge int8", figure) for figure in what}


LIKE = Change("edge int8", "edge float32", 1121, {}, 1.0, 0, 0, 0.981, 0.997, 0.932)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("agreement", 0.970),
        ("attention_correlation", 0.008),
        ("attention_overlap", 0.9),
        ("attention_overlap", None),
    ],
)
def test_maps_and_answers_that_part_are_found(key: str, value: float | None) -> None:
    old = replace(OLD, changes=(LIKE,))
    new = replace(OLD, changes=(replace(LIKE, **{key: value}),))
    assert worse(compare(new, old)) == {("edge int8", key.replace("_", " "))}
    assert not regressed(compare(old, new))


def test_maps_may_part_a_little() -> None:
    old = replace(OLD, changes=(LIKE,))
    little = replace(LIKE, agreement=0.972, attention_correlation=0.988, attention_overlap=0.923)
    assert not regressed(compare(replace(OLD, changes=(little,)), old))


def test_likeness_of_other_images_is_not_judged_and_a_missing_one_is() -> None:
    old = replace(OLD, changes=(LIKE,))
    rows = compare(replace(OLD, changes=(replace(LIKE, images=200, agreement=0.5),)), old)
    assert not regressed(rows)
    assert "of other images" in text(rows)
    recorded = replace(ACCURACY, recorded=True)
    without_data = with_subjects(lambda s: replace(s, accuracy=s.accuracy and recorded))
    assert not regressed(compare(without_data, old))
    assert ("edge int8", "agreement") in worse(compare(OLD, old))


def without(what: str) -> Subject:
    return replace(MODEL, latency=tuple(replace(t, **{what: None}) for t in MODEL.latency))


@pytest.mark.parametrize(
    ("now", "what"),
    [
        (replace(MODEL, accuracy=None), "accuracy"),
        (replace(MODEL, weights="random"), "accuracy"),
        (
            replace(MODEL, accuracy=replace(ACCURACY, metrics={"balanced_accuracy": 0.7736})),
            "macro AUROC",
        ),
        (
            replace(
                MODEL,
                accuracy=replace(ACCURACY, metrics={**ACCURACY.metrics, "macro_auroc": None}),
            ),
            "macro AUROC",
        ),
        (replace(MODEL, size=replace(MODEL.size, partitions=None)), "partitions"),
        (replace(MODEL, size=replace(MODEL.size, cold_start=None)), "cold start"),
        (replace(MODEL, latency=MODEL.latency[:1]), "inference"),
        (without("total"), "total"),
    ],
)
def test_what_a_model_lacks_now_is_found(now: Subject, what: str) -> None:
    rows = compare(with_subjects(only("edge int8", lambda _: now)), OLD)
    assert ("edge int8", what) in worse(rows)
    assert {row.note for row in rows if row.regressed} == {"missing now"}
    assert not regressed(compare(OLD, with_subjects(only("edge int8", lambda _: now))))


def test_a_model_that_is_gone_is_found() -> None:
    new = replace(OLD, subjects=OLD.subjects[1:])
    assert worse(compare(new, OLD)) == {("edge int8", "subject")}


def test_others_are_shown_and_not_judged() -> None:
    published = replace(PUBLISHED, latency=KERAS.latency, accuracy=None)
    heavier = replace(published, size=Size(15_000_000))
    rows = two(
        (MODEL, KERAS, slower(heavier, 1.5), slower(RUNS, 1.5)), (MODEL, KERAS, published, RUNS)
    )
    assert not regressed(rows)
    notes = {(r.subject, r.figure.split(",")[0], r.note) for r in rows if r.ratio not in (1, None)}
    for name, what in (("cbam-b3", "inference"), ("ONNX", "inference"), ("cbam-b3", "file")):
        assert (name, what, "not SkinEdge's, not judged") in notes
    assert "1.500  not SkinEdge's, not judged" in text(rows)
    gone = two((MODEL, KERAS), (MODEL, KERAS, published))
    assert not regressed(gone)
    assert "missing now" in text(gone)


def test_an_interval_without_ends_is_none(tmp_path: Path) -> None:
    plain = asdict(OLD)
    plain["subjects"][0]["accuracy"]["intervals"] = {"balanced_accuracy": [None, None]}
    (tmp_path / "old.json").write_text(json.dumps(plain))
    metrics = {**ACCURACY.metrics, "balanced_accuracy": 0.7}
    new = with_subjects(
        only("edge int8", lambda s: replace(s, accuracy=replace(ACCURACY, metrics=metrics)))
    )
    rows = compare(new, read(tmp_path / "old.json"))
    assert worse(rows) == {("edge int8", "balanced accuracy")}
    assert not any("interval" in row.note for row in rows)


def test_a_time_that_is_no_number_is_missing() -> None:
    first, second = MODEL.latency
    nothing = replace(first, inference=replace(first.inference, median=float("nan")))
    rows = two((replace(MODEL, latency=(nothing, second)), KERAS), (MODEL, KERAS))
    assert worse(rows) == {("edge int8", "inference")}


def test_a_file_nested_too_deep_is_damaged(tmp_path: Path) -> None:
    plain = asdict(alone(MODEL, 2e11))
    plain["roofs"][0]["operators"][0]["name"] = "deep"
    # Just within the limit JSON can be read, and its words cannot be shown.
    for depth in (100_000, *range(900, 1000)):
        content = json.dumps(plain).replace('"deep"', "[" * depth + "]" * depth)
        (tmp_path / "deep.json").write_text(content)
        with pytest.raises(UsageError, match="benchmark's JSON"):
            read(tmp_path / "deep.json")
