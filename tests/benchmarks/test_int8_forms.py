"""Files of one network beside its float32 file, on an untrained run of a drawn dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from untrained_run import finished

from skinedge.benchmarks import bias_correction, equalisation
from skinedge.benchmarks.int8_forms import compare, markdown
from skinedge.compress.convert import float32_tflite
from skinedge.compress.recipe import Compression, parse
from skinedge.train.datasets import open_dataset
from skinedge.train.runs import Run


def test_each_form_is_set_beside_float32(ham10000: Path, tmp_path: Path) -> None:
    data = open_dataset(ham10000)
    given: list[int] = []

    def forms(
        model: Any, how: Compression, images: Callable[[int], np.ndarray]
    ) -> dict[str, bytes]:
        given.extend(len(images(count)) for count in (1, how.images))
        same = float32_tflite(model)
        kernel, bias = model.get_layer("logits").get_weights()
        model.get_layer("logits").set_weights([-kernel, 0 * bias])
        return {"same": same, "turned round": float32_tflite(model)}

    run = Run(finished(tmp_path / "run", data, "soft", 1))
    full, same, turned = rows = compare(run, data, forms)
    assert given[0] == 1
    assert given[1] > 50  # all that the training split has
    assert [row.form for row in rows] == ["float32", "same", "turned round"]
    assert (same.balanced_accuracy, same.macro_auroc) == (full.balanced_accuracy, full.macro_auroc)
    assert same.fidelity.agreement == 1
    assert same.fidelity.divergence == pytest.approx(0, abs=1e-6)
    assert turned.macro_auroc != full.macro_auroc
    assert turned.fidelity.divergence > 0.01
    header, _, *lines = markdown(rows).splitlines()
    assert [line.split(" | ")[0] for line in lines] == ["| float32", "| same", "| turned round"]
    assert {line.count("|") for line in (header, *lines)} == {8}


def test_forms_are_called_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quantizer itself is tested elsewhere, and takes seconds a file."""

    def quantized(model: Any, how: Compression, images: Any) -> tuple[bytes, dict[str, Any]]:
        return f"{model} {how.bias} {how.refit}".encode(), {}

    for module in (bias_correction, equalisation):
        monkeypatch.setattr(module, "quantized", quantized)
    monkeypatch.setattr(equalisation, "float32_tflite", lambda model: model.encode())
    monkeypatch.setattr(equalisation, "equalised", lambda model, pixels, power=1.0: f"x**{power}")
    how = replace(parse("int8"), bias=4, refit=20)
    assert bias_correction.forms("x", how, lambda count: np.zeros(count)) == {
        "int8 as converted": b"x 0 0",
        "biases corrected": b"x 4 0",
        "last layer refitted": b"x 0 20",
        "both": b"x 4 20",
    }
    assert equalisation.forms("x", how, lambda count: np.zeros(count)) == {
        "scales, float32": b"x**1.0",
        "as trained, as converted": b"x 0 0",
        "scales ** 0.5, as converted": b"x**0.5 0 0",
        "scales, as converted": b"x**1.0 0 0",
        "as trained, biases corrected": b"x 4 0",
        "scales ** 0.5, biases corrected": b"x**0.5 4 0",
        "scales, biases corrected": b"x**1.0 4 0",
    }
