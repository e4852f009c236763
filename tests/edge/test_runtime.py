"""The interpreter behind one interface: numerics, other shapes, interpreters that do not work."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from draw_lesion import disc

from skinedge import ModelFileError
from skinedge.errors import RuntimeMissingError
from skinedge.model_file import EMBEDDED
from skinedge.runtime import RUNTIMES, Network

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_golden_outputs(case: dict) -> None:
    """Bit for bit what the embedded file gave when it was exported, on any machine."""
    network = Network(EMBEDDED.read_bytes(), "embedded")
    skin, spot, radius = tuple(case["skin"]), tuple(case["spot"]), case["radius"]
    outputs = network.run(disc(network.width, skin, spot, radius))
    probabilities, attention = (
        np.rint(o / np.float32(s)) for o, s in zip(outputs, GOLDEN["scales"], strict=True)
    )
    assert probabilities.tolist() == case["probabilities"]
    assert attention.tolist() == case["attention"]
    assert [scale for scale, _ in network.quantization] == GOLDEN["scales"]


def test_golden_outputs_are_spread_out() -> None:
    """Near-uniform vectors would agree with anything."""
    rows = np.array([case["probabilities"] for case in GOLDEN["cases"]])
    assert (rows.max(1) > 90).all()
    assert len({int(row.argmax()) for row in rows}) >= 2


def _model(tmp_path: Path) -> ModuleType:
    return pytest.importorskip("tensorflow", reason="builds models of other shapes")


@pytest.mark.parametrize(
    ("shape", "units", "message"),
    [((8, 8, 1), 3, "takes float32"), ((8,), 3, "takes float32")],
)
def test_other_shapes_are_refused(
    shape: tuple[int, ...], units: int, message: str, tmp_path: Path
) -> None:
    tf = _model(tmp_path)
    weights = tf.ones((int(np.prod(shape)), units))

    @tf.function(input_signature=[tf.TensorSpec((1, *shape), tf.float32)])
    def serve(x: object) -> object:
        return tf.reshape(x, (1, -1)) @ weights

    converter = tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()])
    with pytest.raises(ModelFileError, match=message) as caught:
        Network(converter.convert(), "other.tflite")
    assert "other.tflite" in str(caught.value)
    assert "[1, H, W, 3]" in str(caught.value)


def _stand_in(monkeypatch: pytest.MonkeyPatch, inputs: list[dict]) -> None:
    """An interpreter whose model has these inputs and three classes."""

    class Interpreter:
        def __init__(self, **_: object) -> None:
            self.get_input_details = lambda: inputs
            self.get_output_details = lambda: [{"shape": np.array([1, 3]), "quantization": (0, 0)}]

        def allocate_tensors(self) -> None:
            pass

    module = ModuleType("stand-in")
    module.Interpreter = Interpreter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, RUNTIMES["litert"], module)


def _image(*signature: int) -> dict:
    shape = np.abs(signature)
    return {"shape": shape, "shape_signature": np.array(signature), "dtype": np.float32}


def test_a_model_without_inputs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _stand_in(monkeypatch, [])
    with pytest.raises(ModelFileError, match=r"other\.tflite: takes no input; SkinEdge runs"):
        Network(b"", "other.tflite")


def test_only_the_batch_may_be_free(monkeypatch: pytest.MonkeyPatch) -> None:
    _stand_in(monkeypatch, [_image(-1, 32, 48, 3)])
    network = Network(b"", "other.tflite")
    assert (network.height, network.width, network.raw_pixels) == (32, 48, False)
    for signature in ((-1, -1, -1, 3), (1, 32, -1, 3)):
        _stand_in(monkeypatch, [_image(*signature)])
        with pytest.raises(ModelFileError, match=r"other\.tflite: has no fixed input size;"):
            Network(b"", "other.tflite")


def test_an_empty_choice_of_runtime_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKINEDGE_RUNTIME", "")
    assert Network(EMBEDDED.read_bytes(), "embedded").runtime in RUNTIMES


def test_no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", None)
    with pytest.raises(RuntimeMissingError, match="pip install ai-edge-litert"):
        Network(EMBEDDED.read_bytes(), "embedded")


def test_tflite_runtime_under_numpy_2(monkeypatch: pytest.MonkeyPatch) -> None:
    """It imports, and fails only when it is used (seen with tflite-runtime 2.14 and numpy 2)."""

    class Interpreter:
        def __init__(self, **_: object) -> None:
            raise SystemError("<built-in method> returned a result with an exception set")

    module = ModuleType("tflite_runtime.interpreter")
    module.Interpreter = Interpreter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", module)
    with pytest.raises(RuntimeMissingError, match=r"does not work with numpy .*numpy 1"):
        Network(EMBEDDED.read_bytes(), "embedded", runtime="tflite-runtime")
