"""Times from inside the XNNPACK delegate, one for every step it runs.

    steps(content, threads=1, runs=50)    # None where this LiteRT cannot tell

LiteRT's Python interfaces have no profiler, and `Interpreter` sees a delegate as one node. The
library that their wheel carries, `libLiteRt.so`, has one in its C interface; this calls it. That
interface is not stable (2.2 changed signatures; before 2.2 its profiler did not see inside the
delegate), and a wrong call kills the process. So it happens in a process of its own, and whatever
goes wrong there costs the answer only.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import re
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["Step", "Steps", "steps"]

OLDEST = (2, 2)
WARM_UP = 5
TIMEOUT = 60.0
CPU = 1  # LiteRT's set of accelerators, as bits
WRITE = 1  # of its modes of locking a buffer
FILL = 0x3C  # every byte: 60 in uint8 and int8, 0.01 in float32; neither zero nor denormal

BLANK = 0xAB  # fills the memory that events are written to, so that their size can be seen
OPERATOR, INSIDE = 2, (4, 8)  # kinds of events: of the interpreter, of a delegate
HEAD = struct.Struct("<QQQQ")  # of an event: address of its name, kind, start, microseconds
TAIL = struct.Struct("<qqi")  # number of the operator, of the subgraph, source


@dataclass(frozen=True)
class Step:
    """One thing that LiteRT ran.

    Attributes:
        kind: XNNPACK's name, `Convolution (NHWC, QC8) DWConv`, or an operator's type.
        operator: number of the operator in the file; None inside the delegate, which does not say.
        ms: median time, to whole microseconds, rounded down.
    """

    kind: str
    operator: int | None
    ms: float


@dataclass(frozen=True)
class Steps:
    """One model, in the order it ran.

    Attributes:
        steps: each of them.
        whole: median ms of the same runs, measured around them.
    """

    steps: tuple[Step, ...]
    whole: float


def _library() -> Path | None:
    spec = importlib.util.find_spec("ai_edge_litert")
    folders = (spec.submodule_search_locations or []) if spec else []
    return next((path for folder in folders for path in Path(folder).glob("libLiteRt.*")), None)


def _version() -> tuple[int, ...]:
    try:
        found = re.match(r"(\d+)\.(\d+)", metadata.version("ai-edge-litert"))
    except metadata.PackageNotFoundError:
        return ()
    return tuple(map(int, found.groups())) if found else ()


def steps(content: bytes, threads: int = 1, runs: int = 50) -> Steps | None:
    """Time what LiteRT runs, delegate included.

    Args:
        content: a `.tflite`.
        threads: of the delegate.
        runs: timed ones.

    Returns:
        None where LiteRT is older than 2.2 or lacks the library, where no delegate takes part, or
        where the process failed.
    """
    if _version() < OLDEST or _library() is None:
        return None
    command = [sys.executable, "-m", "skinedge.benchmarks.xnnpack", str(threads), str(runs)]
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=TIMEOUT)
        found = json.loads(done.stdout) if done.returncode == 0 else {"steps": []}
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    listed = tuple(Step(*step) for step in found["steps"])
    if all(step.operator is not None for step in listed):
        return None
    return Steps(listed, found["whole"])


def read_events(
    memory: bytes, count: int, name: Callable[[int], bytes]
) -> list[tuple[str, int | None, float]]:
    """Kind, operator and ms of each step among a profiler's events of one run.

    Between head and tail an event says how much memory there was, in a struct that grew with the
    versions. Its size is what `count` events left of `BLANK`.

    Args:
        memory: `BLANK` where nothing was written.
        count: of events.
        name: what stands at an address.
    """
    written = len(memory.rstrip(bytes([BLANK])))
    size = -(-written // count // 8) * 8 if count else 0  # to eight bytes, as a compiler aligns
    found = []
    for start in range(0, count * size, size):
        address, kind, _, taken = HEAD.unpack_from(memory, start)
        operator, subgraph, _ = TAIL.unpack_from(memory, start + size - 24)
        kind &= 0xFFFFFFFF  # the rest is padding
        if kind in INSIDE or (kind == OPERATOR and subgraph == 0):
            label = name(address).decode(errors="replace")
            found.append((label, None if kind in INSIDE else operator, taken / 1e3))
    return found


def _caller(library: Path) -> Callable[..., None]:
    loaded = ctypes.CDLL(str(library))

    def call(name: str, *arguments: Any) -> None:
        function = getattr(loaded, name)
        function.restype = ctypes.c_int
        if status := function(*arguments):
            raise RuntimeError(f"{name}: status {status}")

    return call


def _made(call: Callable[..., None], name: str, *arguments: Any) -> ctypes.c_void_p:
    """What a function of the interface hands back through its last argument."""
    handle = ctypes.c_void_p()
    call(name, *arguments, ctypes.byref(handle))
    if not handle:
        raise RuntimeError(f"{name}: nothing came back")
    return handle


def _compiled(
    call: Callable[..., None], content: bytes, threads: int
) -> tuple[ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]:
    """Environment, model and compiled model. Nothing is freed: the process ends with its answer."""
    environment = _made(call, "LiteRtCreateEnvironment", 0, None)
    address = _aligned(content)
    size = ctypes.c_size_t(len(content))
    model = _made(call, "LiteRtCreateModelFromBuffer", environment, address, size)
    options = _made(call, "LiteRtCreateOptions")
    call("LiteRtSetOptionsHardwareAccelerators", options, CPU)
    for name, text in (
        (b"runtime_options_string", "enable_profiling = true\n"),
        (b"xnnpack", f"num_threads = {threads}\n"),
    ):
        payload = ctypes.create_string_buffer(text.encode())
        _KEPT.append(payload)
        call_with = (ctypes.cast(payload, ctypes.c_void_p), _KEEP)
        call("LiteRtAddOpaqueOptions", options, _made(call, _OPAQUE, name, *call_with))
    return environment, model, _made(call, "LiteRtCreateCompiledModel", environment, model, options)


_OPAQUE = "LiteRtCreateOpaqueOptions"
_KEPT: list[Any] = []  # memory that the library points to; Python must not free it
_KEEP = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda payload: None)


def _aligned(content: bytes) -> ctypes.c_void_p:
    """A copy at a multiple of 64 bytes, as weights need it."""
    memory = ctypes.create_string_buffer(len(content) + 64)
    _KEPT.append(memory)
    address = -(-ctypes.addressof(memory) // 64) * 64
    ctypes.memmove(address, content, len(content))
    return ctypes.c_void_p(address)


def _buffers(
    call: Callable[..., None],
    side: str,
    environment: ctypes.c_void_p,
    model: ctypes.c_void_p,
    compiled: ctypes.c_void_p,
) -> tuple[ctypes.c_size_t, Any]:
    """Buffers for all inputs (`side` Input) or outputs, filled with `FILL`."""
    signature = _made(call, "LiteRtGetModelSignature", model, ctypes.c_size_t(0))
    count, size = ctypes.c_size_t(), ctypes.c_size_t()
    call(f"LiteRtGetNumSignature{side}s", signature, ctypes.byref(count))
    found = (ctypes.c_void_p * count.value)()
    for index in range(count.value):
        at = ctypes.c_size_t(index)
        tensor = _made(call, f"LiteRtGetSignature{side}TensorByIndex", signature, at)
        shape = ctypes.create_string_buffer(512)  # a struct of some seventy bytes
        call("LiteRtGetRankedTensorType", tensor, shape)
        name = f"LiteRtGetCompiledModel{side}BufferRequirements"
        needs = _made(call, name, compiled, ctypes.c_size_t(0), at)
        name = "LiteRtCreateManagedTensorBufferFromRequirements"
        buffer = _made(call, name, environment, shape, needs)
        call("LiteRtGetTensorBufferPackedSize", buffer, ctypes.byref(size))
        memory = ctypes.c_void_p()
        call("LiteRtLockTensorBuffer", buffer, ctypes.byref(memory), WRITE)
        ctypes.memset(memory, FILL, size.value)
        call("LiteRtUnlockTensorBuffer", buffer)
        found[index] = buffer.value
    return count, found


def _events(
    call: Callable[..., None], profiler: ctypes.c_void_p
) -> list[tuple[str, int | None, float]]:
    count = ctypes.c_int()
    call("LiteRtGetNumProfilerEvents", profiler, ctypes.byref(count))
    memory = ctypes.create_string_buffer(max(1, count.value) * 512)  # an event has about a hundred
    ctypes.memset(memory, BLANK, len(memory))
    call("LiteRtGetProfilerEvents", profiler, count, memory)
    return read_events(memory.raw, count.value, ctypes.string_at)


def _measure(content: bytes, threads: int, runs: int) -> dict[str, Any]:
    library = _library()
    assert library is not None
    call = _caller(library)
    environment, model, compiled = _compiled(call, content, threads)
    profiler = _made(call, "LiteRtCompiledModelGetProfiler", compiled)
    inputs = _buffers(call, "Input", environment, model, compiled)
    outputs = _buffers(call, "Output", environment, model, compiled)
    rows: list[list[tuple[str, int | None, float]]] = []
    whole = []
    for run in range(-WARM_UP, runs):
        call("LiteRtResetProfiler", profiler)
        call("LiteRtStartProfiler", profiler)
        start = time.perf_counter()
        call("LiteRtRunCompiledModel", compiled, ctypes.c_size_t(0), *inputs, *outputs)
        taken = 1e3 * (time.perf_counter() - start)
        call("LiteRtStopProfiler", profiler)
        if run >= 0:
            rows.append(_events(call, profiler))
            whole.append(taken)
    if any(len(row) != len(rows[0]) for row in rows):
        raise RuntimeError("runs of different steps")
    medians = [
        (kind, operator, statistics.median(row[index][2] for row in rows))
        for index, (kind, operator, _) in enumerate(rows[0])
    ]
    return {"steps": medians, "whole": statistics.median(whole)}


if __name__ == "__main__":
    print(json.dumps(_measure(sys.stdin.buffer.read(), *map(int, sys.argv[1:3]))))
