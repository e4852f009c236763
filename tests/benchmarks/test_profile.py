"""The roofline: its kernel computes what it must, cut operators answer as in the whole model."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from skinedge.benchmarks import graph, kernel, profile, xnnpack
from skinedge.benchmarks.results import Operator
from skinedge.benchmarks.xnnpack import Step
from skinedge.model_file import EMBEDDED

SHIPPED = EMBEDDED.read_bytes()
SHAPE = (6, 32, 24)
BUILTIN = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


def _run(content: bytes, *inputs: np.ndarray, **options: object) -> np.ndarray:
    interpreter = Interpreter(model_content=content, num_threads=1, **options)
    interpreter.allocate_tensors()
    for source, values in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(source["index"], values)
    interpreter.invoke()
    return np.array(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def test_the_float_kernel_computes_what_numpy_computes() -> None:
    content, weights, biases, _ = kernel.convolution("float32", SHAPE)
    x = np.random.default_rng(1).normal(size=(1, 6, 6, 32)).astype(np.float32)
    wanted = x @ weights[:, 0, 0].T + biases
    np.testing.assert_allclose(_run(content, x), wanted, atol=1e-4)


def test_the_int8_kernel_computes_what_numpy_computes() -> None:
    content, weights, biases, scales = kernel.convolution("int8", SHAPE)
    x = np.random.default_rng(1).integers(-128, 128, (1, 6, 6, 32), np.int8)
    exact = (x.astype(np.int64) - kernel.INPUT_ZERO) @ weights[:, 0, 0].T.astype(np.int64) + biases
    wanted = exact * scales * kernel.INPUT_SCALE / kernel.OUTPUT_SCALE + kernel.OUTPUT_ZERO
    wanted = np.clip(np.round(wanted), -128, 127)
    found = _run(content, x)
    assert found.dtype == np.int8
    assert len(np.unique(found)) > 50  # no agreement by all being alike
    assert np.abs(found - wanted).max() <= 1


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_rates_are_positive(precision: str) -> None:
    assert kernel.macs_per_second(precision, seconds=0) > 0


def test_memory_is_copied_by_as_many_threads_as_asked() -> None:
    assert kernel.bytes_per_second(1, seconds=0) > 0
    assert kernel.bytes_per_second(2, seconds=0) > 0


def test_cut_operators_answer_as_in_the_whole_model() -> None:
    """On the built-in kernels, which keep every tensor for us to read, to the last bit."""
    whole = Interpreter(
        model_content=SHIPPED,
        experimental_op_resolver_type=BUILTIN,
        experimental_preserve_all_tensors=True,
    )
    whole.allocate_tensors()
    (entry,) = whole.get_input_details()
    pixels = np.random.default_rng(0).integers(0, 256, entry["shape"], np.uint8)
    whole.set_tensor(entry["index"], pixels)
    whole.invoke()
    model = graph.read(SHIPPED)
    tried = set()
    for index, operator in enumerate(model.subgraphs[0].operators):
        kind = graph.kind(model, operator)
        if kind in tried:
            continue
        tried.add(kind)
        part = profile.cut(model, index)
        assert part is not None
        stored = graph.constants(model)
        inputs = [whole.get_tensor(t) for t in operator.inputs if t not in stored]
        wanted = whole.get_tensor(operator.outputs[0])
        found = _run(part, *inputs, experimental_op_resolver_type=BUILTIN)
        np.testing.assert_array_equal(found, wanted, err_msg=kind)
        delegated = _run(part, *inputs)
        assert np.abs(delegated.astype(float) - wanted.astype(float)).max() <= 1, kind
    assert {"CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "CONCATENATION", "FULLY_CONNECTED"} <= tried


def _operator(kind: str, macs: int = 0) -> Operator:
    return Operator(name=kind.lower(), kind=kind, macs=macs, bytes=1)


def test_steps_of_the_delegate_find_their_operators() -> None:
    operators = [
        _operator("QUANTIZE"),
        _operator("CONV_2D", 9),
        _operator("MAX_POOL_2D"),
        _operator("CONCATENATION"),
        _operator("MEAN"),
        _operator("FULLY_CONNECTED", 9),
        _operator("SOFTMAX"),
    ]
    steps = [
        Step("QUANTIZE", 0, 1.0),
        Step("Convolution (NHWC, QC8) IGEMM", None, 2.0),
        Step("Copy (NC, X8)", None, 3.0),
        Step("Copy (NC, X8)", None, 4.0),
        Step("Mean (ND) Reduce", None, 5.0),
        Step("Static Reshape (NC)", None, 0.5),
        Step("Fully Connected (NC, QS8, QC8W) GEMM", None, 6.0),
        Step("SOFTMAX", 6, 7.0),
    ]
    assert profile.assign(operators, steps) == [1.0, 2.0, None, 7.0, 5.5, 6.0, 7.0]
    with pytest.raises(ValueError, match="FULLY_CONNECTED"):
        profile.assign(operators, steps[:6])


@pytest.mark.parametrize("between", [32, 48, 64])
def test_events_are_read_whatever_the_size_of_their_middle(between: int) -> None:
    names = {100: b"LiteRT::Run", 200: b"QUANTIZE", 300: b"Convolution (NHWC, QC8) IGEMM"}
    events = [(100, 1, 9000, 0), (200, 2, 81, 17), (300, 8, 138, 0)]
    memory = b"".join(
        xnnpack.HEAD.pack(address, kind, 5, taken)
        + bytes(between)
        + xnnpack.TAIL.pack(operator, 0, 1)
        + bytes([xnnpack.BLANK] * 4)  # padding: nobody writes it
        for address, kind, taken, operator in events
    )
    memory += bytes([xnnpack.BLANK] * 500)
    assert xnnpack.read_events(memory, len(events), names.__getitem__) == [
        ("QUANTIZE", 17, 0.081),
        ("Convolution (NHWC, QC8) IGEMM", None, 0.138),
    ]


def test_a_profiler_that_dies_costs_its_answer_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert xnnpack.steps(b"no model at all", runs=1) is None
    monkeypatch.setattr(xnnpack, "OLDEST", (99, 0))
    assert xnnpack.steps(SHIPPED, runs=1) is None


@pytest.mark.parametrize("told", [True, False])
def test_a_roof_stands_over_every_operator(told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not told:  # as on a LiteRT without the profiler: operators one by one
        monkeypatch.setattr(xnnpack, "steps", lambda *_: None)
    found = profile.roof("edge", SHIPPED, runs=4)
    assert (found.model, found.precision) == ("edge", "int8")
    assert len(found.operators) == len(graph.operators(SHIPPED))
    for operator in found.operators:
        limits = operator.macs / found.macs_per_second, operator.bytes / found.bytes_per_second
        assert operator.bound == pytest.approx(1e3 * max(limits))
        assert operator.ms is not None or not operator.macs
    assert found.share is not None
    assert found.share > 0
    assert found.accounted is not None
    assert found.accounted > 0


def test_nothing_heavy_is_loaded() -> None:
    """A Raspberry Pi has LiteRT and numpy."""
    program = (
        "import sys; from skinedge.benchmarks import graph, profile\n"
        "from skinedge.model_file import EMBEDDED\n"
        "graph.outside(EMBEDDED.read_bytes())\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
