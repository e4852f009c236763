"""Who competes, and in whose place: without Keras, which others stand for here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from skinedge.benchmarks import contestants
from skinedge.benchmarks.bench import Bench, Model, Plan
from skinedge.benchmarks.results import Size, Subject
from skinedge.errors import CompressionError
from skinedge.model_file import ModelFile, read_model

CARD = read_model().card


def _bench(precisions: dict[str, str]) -> Bench:
    """Models of these names and precisions, in this order."""
    bench = Bench(Plan(threads=(1,)), lambda step, items: lambda done: None)
    for name, precision in precisions.items():
        file = ModelFile(Path(f"{name}.tflite"), b"", (), CARD)
        bench.models.append(Model(name, file, {}))
        bench.add(Subject(name, name, "LiteRT", "cpu", precision, "trained", "model", 192, Size(1)))
    return bench


class Accelerated:
    """Stands for `keras_model.KerasModel` on a TPU."""

    source, runtime, device, accelerator = "edge", "Keras", "tpu", "TPU v5e"
    trained, height, weight_bytes, parameters, macs, compile = False, 192, 4, 1, 1, 1.0


def test_a_tpu_is_called_one() -> None:
    bench = _bench({})
    model: Any = Accelerated()
    contestants._add_keras(bench, "edge (Keras)", "published", model)
    assert bench.subjects["edge (Keras)"].device == "tpu"


@pytest.mark.parametrize(
    ("on", "data", "weighed"),
    [
        ("cpu", (), ["melanoma-b3"]),
        ("cpu", (Path("ham10000"),), list(contestants.PUBLISHED)),
        ("gpu", (Path("ham10000"),), []),
    ],
)
def test_with_data_all_networks_are_weighed(
    on: str, data: tuple[Path, ...], weighed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without, the baseline alone: the benchmark is to end within two minutes."""

    class Built(Accelerated):
        device = on

        def __init__(self, source: str) -> None:
            self.source = source

        def throughput(self, batches: object, seconds: float) -> dict[int, float]:
            return {}

    @contextmanager
    def peak(source: str, seed: int) -> Iterator[Callable[[], int]]:
        yield lambda: 1000 + len(source)

    keras = SimpleNamespace(open_model=lambda source, seed: Built(source), BYTES_PER_WEIGHT=4)
    monkeypatch.setattr(contestants, "_station", lambda *_: keras)
    monkeypatch.setattr(contestants, "keras_peak", peak)
    bench = _bench({})
    bench.plan = replace(bench.plan, data=data, baseline="melanoma-b3", peers=False)
    contestants.keras_models(bench)
    found = {s.source: s.size.peak_memory for s in bench.subjects.values() if s.size.peak_memory}
    assert found == {source: 1000 + len(source) for source in weighed}


@pytest.mark.parametrize(
    ("precisions", "asked"),
    [
        ({"m": "int8", "m-float32": "float32"}, "m-float32.tflite"),
        ({"m-float32": "float32", "m": "int8"}, "m-float32.tflite"),
        ({"m": "float16"}, None),
        ({"m": "int8", "m-float32": "float16"}, None),
    ],
)
def test_keras_computes_the_float32_form_or_is_left_out(
    precisions: dict[str, str], asked: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    restored: list[str] = []

    def refuse(file: ModelFile) -> Any:
        restored.append(file.path.name)
        raise CompressionError("cannot restore it")

    stations = SimpleNamespace(restored=refuse)
    monkeypatch.setattr(contestants.importlib, "import_module", lambda name: stations)
    bench = _bench(precisions)
    contestants._own_in_keras(bench, None)
    assert restored == ([asked] if asked else [])
    assert bench.notes == (
        ["m-float32 in Keras was not measured: cannot restore it"] if asked else []
    )
    assert list(bench.subjects) == list(precisions)


def test_a_fitted_float32_form_says_what_its_accuracy_is_not() -> None:
    assert CARD is not None
    plain = {**CARD, "quantization": None}
    metrics = {**CARD["metrics"], "accuracy": 0.875, "melanoma_auroc": math.nan}
    form = ModelFile(Path("form.tflite"), b"", (), {**CARD, "metrics": metrics})

    def said(card: dict[str, Any], measured: bool) -> list[str]:
        model = Model("m", ModelFile(Path("m.tflite"), b"", (), card), {})
        return list(contestants._about_form("m-float32", model, form, measured))

    fitted, recorded = said(CARD, measured=True)
    assert "last layer as fitted to what int8 computes" in fitted
    assert "not what compression cost" in fitted
    assert "accuracy 0.8750, balanced accuracy " in recorded
    assert "melanoma" not in recorded
    exact, recorded = said(plain, measured=False)
    assert "only quantized activations show" in exact
    assert "Accuracy recorded for m-float32" in recorded
