"""Other runtimes with the weights of a `.tflite`, as far as they are installed.

Outputs are compared before anything is timed: a runtime that computes other numbers may be faster
because it does other work. A float32 network comes out the same everywhere but for the last digits.
An int8 one comes out the same to the bit, or a runtime rounds elsewhere and the error grows through
the layers: on 200 skin images OpenVINO and LiteRT without XNNPACK are up to 0.09 away with the
embedded model, and name the same class on 99 %. That is less than int8 is from float32; it is no
fault of theirs, but another computation, and they are reported as different.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from ai_edge_litert import interpreter as litert

from skinedge.errors import ModelFileError
from skinedge.image import to_input

from .bench import Bench, Model
from .machine import version_of
from .pictures import pictures
from .results import Size, Subject

__all__ = [
    "PEERS",
    "SAME",
    "Difference",
    "Peer",
    "Runner",
    "add_to",
    "available",
    "compared",
    "difference",
    "load",
    "why_different",
]

SAME = {"float32": 1e-3, "int8": 2 / 256}
"""How far probabilities, and maps as a share, may be apart and still be the same.

Of float32: sums in another order move them by 1e-5. Of int8: two steps of the head's scale, for the
softmax and for its rounding; more means that layers inside round otherwise.
"""

COMPARED = 8  # pictures

Infer = Callable[[np.ndarray], Sequence[np.ndarray]]


class Runner(Protocol):
    """What is compared and timed: `skinedge.runtime.Network` is one too."""

    height: int
    width: int

    def run(self, pixels: npt.NDArray[np.uint8], /) -> list[npt.NDArray[np.float32]]:
        """RGB uint8 `[height, width, 3]` to float32 `[n]` of each head, probabilities first."""


@dataclass(frozen=True)
class Peer:
    """A runtime that takes float32 and int8 files.

    Attributes:
        name: as people know it.
        package: on PyPI, to name its version.
        modules: what must import.
        open: file and threads to a function of the input tensor `[1, H, W, 3]` that returns all
            outputs, both in the file's types.
        numpy: the newest major version it works with; it may import under others, and fail later.
    """

    name: str
    package: str
    modules: tuple[str, ...]
    open: Callable[[bytes, int], Infer]
    numpy: int = 2


@dataclass(frozen=True)
class Difference:
    """Two runners on the same images.

    Attributes:
        largest: between their probabilities, of any class on any image.
        agreement: share of images on which both name the same class.
        images: how many.
        attention: largest between their maps, as a share of the reference's largest value; 0
            where one has no map.
    """

    largest: float
    agreement: float
    images: int
    attention: float = 0.0


def _interpreter(interpreter: Any) -> Infer:
    interpreter.allocate_tensors()
    index = interpreter.get_input_details()[0]["index"]
    heads = [head["index"] for head in interpreter.get_output_details()]

    def infer(tensor: np.ndarray) -> list[np.ndarray]:
        interpreter.set_tensor(index, tensor)
        interpreter.invoke()
        return [interpreter.get_tensor(head) for head in heads]

    return infer


def _without_xnnpack(content: bytes, threads: int) -> Infer:
    kernels = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return _interpreter(
        litert.Interpreter(
            model_content=content, num_threads=threads, experimental_op_resolver_type=kernels
        )
    )


def _tflite_runtime(content: bytes, threads: int) -> Infer:
    module = importlib.import_module("tflite_runtime.interpreter")
    return _interpreter(module.Interpreter(model_content=content, num_threads=threads))


def _openvino(content: bytes, threads: int) -> Infer:
    import openvino

    options = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        # What it computes float32 with; on processors with bfloat16 it would choose that.
        "INFERENCE_PRECISION_HINT": "f32",
    }
    with tempfile.TemporaryDirectory() as folder:  # from memory it reads no TFLite
        path = Path(folder) / "model.tflite"
        path.write_bytes(content)
        compiled = openvino.Core().compile_model(str(path), "CPU", options)
    return lambda tensor: list(compiled([tensor]).values())


def _onnx_runtime(content: bytes, threads: int) -> Infer:
    import onnxruntime

    from .onnx_form import onnx_form

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Else its threads wait busily for a while after a run, in the next runtime's time.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(
        onnx_form(content), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return lambda tensor: session.run(None, {name: tensor})


_CONVERTER = ("onnx", "tensorflow", "tf2onnx")
PEERS: tuple[Peer, ...] = (
    Peer("LiteRT without XNNPACK", "ai-edge-litert", ("ai_edge_litert",), _without_xnnpack),
    Peer("tflite-runtime", "tflite-runtime", ("tflite_runtime",), _tflite_runtime, numpy=1),
    Peer("OpenVINO", "openvino", ("openvino",), _openvino),
    Peer("ONNX Runtime", "onnxruntime", ("onnxruntime", *_CONVERTER), _onnx_runtime),
)


def available(peer: Peer) -> str:
    """Why a peer cannot be used here, in a few words; empty if it can."""
    for module in peer.modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            return f"{error.name} is not installed"
        except Exception as error:  # versions that do not fit together raise anything
            return f"{module} does not import: {_line(error)}"
    if int(np.__version__.split(".")[0]) > peer.numpy:
        return f"{peer.package} does not work with numpy {np.__version__}"
    return ""


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@dataclass
class _Loaded:
    """A `Runner`: pixels to a file's input tensor, its output tensors to heads."""

    infer: Infer
    height: int
    width: int
    normalised: bool  # whether the input is float32
    heads: tuple[tuple[float, float], ...]  # scale and zero point of each

    def run(self, pixels: npt.NDArray[np.uint8], /) -> list[npt.NDArray[np.float32]]:
        tensor: np.ndarray = pixels[np.newaxis]
        if self.normalised:  # as `Network` does
            tensor = (tensor - np.float32(127)) * np.float32(1 / 128)
        found = []
        for values, (scale, zero) in zip(self.infer(tensor), self.heads, strict=True):
            head = np.asarray(values[0], np.float32)
            if scale:  # 0 for a float tensor
                head = (head - np.float32(zero)) * np.float32(scale)
            found.append(head.ravel())
        return found


def load(peer: Peer, content: bytes, threads: int) -> Runner:
    """A peer with a model, which has run once.

    Args:
        peer: one that is available.
        content: of a `.tflite` that `skinedge.runtime.Network` takes, float32 or int8.
        threads: it may use.

    Raises:
        ModelFileError: it cannot convert, load or run this model.
    """
    described = litert.Interpreter(model_content=content)
    image, heads = described.get_input_details()[0], described.get_output_details()
    _, height, width, _ = (int(side) for side in image["shape"])
    try:
        runner = _Loaded(
            peer.open(content, threads),
            height,
            width,
            image["dtype"] is np.float32,
            tuple(head["quantization"] for head in heads),
        )
        runner.run(np.zeros((height, width, 3), np.uint8))
    except Exception as error:  # runtimes and converters raise whatever their layers raise
        raise ModelFileError(f"{peer.name} cannot run this model: {_line(error)}") from error
    return runner


def difference(runner: Runner, reference: Runner, images: npt.NDArray[np.uint8]) -> Difference:
    """How far apart two runners are on uint8 `[n, height, width, 3]`, n at least 1."""
    said = ([r.run(image) for image in images] for r in (runner, reference))
    (mine, *maps), (other, *others) = (map(np.stack, zip(*heads, strict=True)) for heads in said)
    if mine.shape != other.shape:
        return Difference(float("inf"), 0.0, len(images))
    agreement = float(np.mean(mine.argmax(axis=1) == other.argmax(axis=1)))
    attention = 0.0
    for drawn, true in zip(maps, others, strict=False):
        same = drawn.shape == true.shape
        attention = float(np.abs(drawn - true).max() / (true.max() or 1)) if same else float("inf")
    return Difference(float(np.abs(mine - other).max()), agreement, len(images), attention)


def why_different(found: Difference, precision: str) -> str:
    """Why a peer is not the reference's equal, in a few words; empty if it is.

    Args:
        found: see `difference`.
        precision: of the model: `int8` as it is, all others as float32.
    """
    same = SAME.get(precision, SAME["float32"])
    if found.largest <= same:  # never true of NaN
        return "" if found.attention <= same else "its attention map differs"
    agreed = round(found.agreement * found.images)
    return f"its outputs differ; it names the same class on {agreed} of {found.images} pictures"


def compared(bench: Bench, model: Model, runner: Runner) -> Difference:
    """How far apart a runner and a model on the bench are on the bench's pictures."""
    network = model.networks[min(bench.plan.threads)]
    drawn = pictures(COMPARED, bench.plan.seed)
    images = np.stack([to_input(picture, network.height, network.width) for picture in drawn])
    return difference(runner, network, images)


def add_to(bench: Bench, model: Model) -> None:
    """Put a model's peers on the bench; those that differ are refused as equals.

    What is not available or cannot run the model is a note.
    """
    threads, described = min(bench.plan.threads), bench.subjects[model.name]
    for peer in PEERS:
        name = f"{model.name} in {peer.name}"
        if reason := available(peer):
            note = f"{peer.name} was not measured: {reason}"
            bench.notes += [note] if note not in bench.notes else []
            continue
        try:
            runner = load(peer, model.content, threads)
        except ModelFileError as error:
            bench.notes.append(f"{name} was not measured: {error}")
            continue
        found = compared(bench, model, runner)
        bench.peers[name] = runner
        size = described.size
        bench.add(
            Subject(
                name=name,
                source=described.source,
                runtime=f"{peer.name} {version_of(peer.package)}".strip(),
                device="cpu",
                precision=described.precision,
                weights=described.weights,
                role="peer",
                input=described.input,
                size=Size(file=size.file, parameters=size.parameters, macs=size.macs),
                differs=found.largest,
                refused=why_different(found, described.precision),
            )
        )
