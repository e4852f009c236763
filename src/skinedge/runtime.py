"""One small interface over the two TensorFlow Lite interpreters.

LiteRT (`ai-edge-litert`) is the default; `tflite-runtime`, its predecessor, is there for Pythons
before 3.12 that already have it.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from .cores import usable_cores
from .errors import ModelFileError, RuntimeMissingError, UsageError

__all__ = ["MAX_THREADS", "RUNTIMES", "Network", "Runtime", "default_threads"]

Runtime = Literal["auto", "litert", "tflite-runtime"]
RUNTIMES: dict[str, str] = {
    "litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}


_WANTED = "SkinEdge runs image classifiers: uint8 or float32 [1, H, W, 3] to [1, classes]"

MAX_THREADS = 64
"""Far more than helps; XNNPACK crashes when thousands cannot be started."""


def default_threads() -> int:
    """All usable cores up to four: small networks do not gain from more."""
    return min(4, usable_cores())


def _import(runtime: Runtime) -> tuple[str, Any]:
    if runtime == "auto":
        runtime = cast(Runtime, os.environ.get("SKINEDGE_RUNTIME") or "auto")
    if runtime != "auto" and runtime not in RUNTIMES:
        raise UsageError(f"unknown runtime {runtime!r}; there are: {', '.join(RUNTIMES)}")
    names = list(RUNTIMES) if runtime == "auto" else [runtime]
    reasons = []
    for name in names:
        try:
            return name, importlib.import_module(RUNTIMES[name])
        except (ImportError, AttributeError) as error:  # numpy 2 under tflite-runtime: either
            reasons.append(f"{name}: {_first_line(error)}")
    raise RuntimeMissingError(
        f"no TensorFlow Lite interpreter works here ({'; '.join(reasons)}); "
        "pip install ai-edge-litert; on Python 3.11 and older SkinEdge's extra tflite-runtime "
        "also does"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class Network:
    """A loaded `.tflite` with static shapes: pixels in, heads out.

    Attributes:
        runtime: which interpreter runs it, `litert` or `tflite-runtime`.
        threads: how many threads it may use.
        height, width: of the input, in pixels.
        raw_pixels: whether its input is uint8, not float32.
        quantization: scale and zero point of each output as it is stored, `value = scale *
            (stored - zero)`; scale 0 for a float one.

    Raises:
        ModelFileError: the bytes are no TFLite model, or its input is not one RGB image of
            uint8 (raw pixels) or float32 and of a fixed size, or its first output is not
            `[1, classes]`.
        RuntimeMissingError: no interpreter can be imported, or the one found cannot run with
            the installed numpy.
        UsageError: the threads or the runtime are not possible ones.
    """

    def __init__(
        self, content: bytes, name: str, threads: int | None = None, runtime: Runtime = "auto"
    ) -> None:
        self.threads = default_threads() if threads is None else threads
        if not 1 <= self.threads <= MAX_THREADS:
            raise UsageError(f"{self.threads} threads: use 1 to {MAX_THREADS}")
        self.runtime, module = _import(runtime)
        try:
            # Calling the module's class here and not in `_import` is what meets tflite-runtime's
            # late failure: built for numpy 1, it imports under numpy 2 and only then breaks.
            self._interpreter = module.Interpreter(model_content=content, num_threads=self.threads)
            inputs = self._interpreter.get_input_details()
            if any(-1 in details["shape_signature"][1:] for details in inputs):
                # The interpreter would make it one pixel.
                raise ModelFileError(f"{name}: has no fixed input size; export it with one")
            self._interpreter.allocate_tensors()
        except SystemError as error:
            raise RuntimeMissingError(
                f"{self.runtime} does not work with numpy {np.__version__}; "
                "SkinEdge's extra tflite-runtime brings numpy 1, or use ai-edge-litert"
            ) from error
        except (ValueError, RuntimeError) as error:
            raise ModelFileError(
                f"{name}: not a model this interpreter can load "
                f"({_first_line(error)}); copy or export it again"
            ) from error
        self._outputs = self._interpreter.get_output_details()
        if not inputs:
            raise ModelFileError(f"{name}: takes no input; {_WANTED}")
        self._input = inputs[0]
        shape = tuple(int(n) for n in self._input["shape"])
        first = tuple(int(n) for n in self._outputs[0]["shape"]) if self._outputs else ()
        dtype = self._input["dtype"]
        if (
            len(inputs) != 1
            or len(shape) != 4
            or shape[::3] != (1, 3)
            or dtype not in (np.uint8, np.float32)
            or len(first) != 2
            or first[0] != 1
        ):
            raise ModelFileError(
                f"{name}: takes {dtype.__name__} {list(shape)} and returns {list(first)}; {_WANTED}"
            )
        self.raw_pixels = dtype is np.uint8
        self.height, self.width = shape[1], shape[2]
        self.classes = first[1]
        self.quantization = tuple(
            (float(output["quantization"][0]), int(output["quantization"][1]))
            for output in self._outputs
        )

    def run(
        self, pixels: npt.NDArray[np.uint8], scale: float = 1 / 128, zero: float = 127
    ) -> list[npt.NDArray[np.float32]]:
        """Run once.

        Args:
            pixels: RGB uint8 `[height, width, 3]`.
            scale, zero: a float32 model gets (pixels - zero) * scale; a uint8 one raw pixels.

        Returns:
            Every output, dequantized: float32 `[n]`; probabilities first, then the attention
            map where the model has one.
        """
        tensor = pixels[np.newaxis]
        if not self.raw_pixels:
            tensor = ((tensor - np.float32(zero)) * np.float32(scale)).astype(np.float32)
        self._interpreter.set_tensor(self._input["index"], tensor)
        self._interpreter.invoke()
        return [
            self._read(int(output["index"]), *quantization)
            for output, quantization in zip(self._outputs, self.quantization, strict=True)
        ]

    def _read(self, index: int, scale: float, zero: int) -> npt.NDArray[np.float32]:
        values = np.asarray(self._interpreter.get_tensor(index)[0], np.float32)
        if scale:
            values = (values - np.float32(zero)) * np.float32(scale)
        return values.ravel()

    def delegate_partitions(self) -> int:
        """How many delegate (XNNPACK) nodes the interpreter runs: 1 is ideal, 0 means none.

        LiteRT only; it reads what the interpreter offers for inspection.
        """
        details = self._interpreter._get_ops_details()
        return sum(operator["op_name"] == "DELEGATE" for operator in details)
