"""What a converted model says, straight from its flatbuffer: for comparisons before packaging."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from skinedge import delegate
from skinedge.delegate import Plan
from skinedge.errors import CompressionError
from skinedge.train.zoo.spec import PIXEL_SCALE, PIXEL_ZERO

__all__ = ["Heads", "plan", "ready", "run_heads"]


@dataclass(frozen=True)
class Heads:
    """Outputs for n images, dequantized; `fidelity.fidelity` compares two of them.

    Attributes:
        probabilities: float32 `[n, classes]`.
        attention: float32 `[n, h*w]`; None without a map.
    """

    probabilities: np.ndarray
    attention: np.ndarray | None


def _interpreter(flatbuffer: bytes, threads: int) -> Interpreter:
    try:
        interpreter = Interpreter(model_content=flatbuffer, num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CompressionError(f"LiteRT cannot run the converted model: {reason}") from error
    return interpreter


def _fed(image: np.ndarray, detail: dict) -> np.ndarray:
    """One uint8 image as the input tensor wants it."""
    kind, (scale, zero) = detail["dtype"], detail["quantization"]
    if kind is np.uint8:
        return image[np.newaxis]
    values = (image[np.newaxis] - np.float32(PIXEL_ZERO)) * np.float32(PIXEL_SCALE)
    if kind is np.float32:
        return values.astype(np.float32)
    limits = np.iinfo(kind)
    return np.clip(np.round(values / scale) + zero, limits.min, limits.max).astype(kind)


def run_heads(flatbuffer: bytes, pixels: np.ndarray, threads: int = 2) -> Heads:
    """Run a converted model on images, heads found by the names its signature gives them.

    Args:
        flatbuffer: from `quantize` or `edge_quantizer`; any input type.
        pixels: uint8 `[n, H, W, 3]`.
        threads: interpreter threads.

    Raises:
        CompressionError: the interpreter cannot run it.
    """
    interpreter = _interpreter(flatbuffer, threads)
    source = interpreter.get_input_details()[0]
    heads = interpreter.get_signature_runner().get_output_details()
    rows: dict[str, list[np.ndarray]] = {name: [] for name in heads}
    for image in pixels:
        interpreter.set_tensor(source["index"], _fed(image, source))
        interpreter.invoke()
        for name, detail in heads.items():
            values = interpreter.get_tensor(detail["index"])[0].astype(np.float32)
            scale, zero = detail["quantization"]
            rows[name].append((values - np.float32(zero)) * np.float32(scale) if scale else values)
    attention = np.stack(rows["attention"]) if "attention" in rows else None
    return Heads(np.stack(rows["probabilities"]), attention)


def ready(flatbuffer: bytes, image: np.ndarray, threads: int = 1) -> Callable[[], None]:
    """A function that runs a converted model on one image, for timing.

    Args:
        flatbuffer: as for `run_heads`.
        image: uint8 `[H, W, 3]`, set once.
        threads: interpreter threads.
    """
    interpreter = _interpreter(flatbuffer, threads)
    source = interpreter.get_input_details()[0]
    interpreter.set_tensor(source["index"], _fed(image, source))
    return interpreter.invoke


def plan(flatbuffer: bytes) -> Plan:
    """Which operators of a converted model the delegate takes; see `delegate.plan`.

    Raises:
        CompressionError: the interpreter cannot run it.
    """
    return delegate.plan(_interpreter(flatbuffer, 1))
