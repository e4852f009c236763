"""The full-precision Keras model of a run or a recipe, compiled, on a GPU where there is one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from skinedge.train.batches import normalise
from skinedge.train.recipes import RECIPES
from skinedge.train.runs import Run, load
from skinedge.train.zoo.build import build
from skinedge.train.zoo.cost import BYTES_PER_WEIGHT, multiply_accumulates, parameters

from .machine import version_of

__all__ = ["BYTES_PER_WEIGHT", "KerasModel", "open_model"]


def _device(model: Any) -> tuple[str, str]:
    """`cpu`, `gpu`, `tpu`, ... that holds a model's weights, and its name unless it is the CPU.

    That there is a GPU does not say that it computes: each backend has switches of its own.
    """
    value = model.variables[0].value
    backend = keras.backend.backend()
    if backend == "jax":
        [device] = list(value.devices())[:1]
        name = "" if device.platform == "cpu" else str(device.device_kind)
        return str(device.platform), name
    if backend == "torch":
        import torch

        kind = value.device.type
        if kind == "cuda":
            return "gpu", str(torch.cuda.get_device_name(value.device))
        if kind == "mps":
            return "gpu", "Apple GPU"
        return str(kind), "" if kind == "cpu" else str(kind)
    import tensorflow as tf

    kind = value.device.rpartition("device:")[2].partition(":")[0] or "CPU"
    if kind == "CPU":
        return "cpu", ""
    found = tf.config.list_physical_devices(kind)[0]
    details = tf.config.experimental.get_device_details(found) if kind == "GPU" else {}
    return kind.lower(), str(details.get("device_name", kind))


def _compiled(model: Any) -> Callable[[np.ndarray], list[np.ndarray]]:
    """A function of float32 `[n, H, W, 3]` that waits for its result and brings it back.

    Float32 is float32: each backend's leave to multiply in TensorFloat-32, which has ten bits of
    mantissa, is taken back.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        # Copies: Keras' own calls may give the memory of its variables away.
        state = tuple(
            [jax.numpy.array(variable.value, copy=True) for variable in variables]
            for variables in (model.trainable_variables, model.non_trainable_variables)
        )

        @jax.jit
        def jitted(state: Any, pixels: Any) -> Any:
            with jax.default_matmul_precision("float32"):  # of convolutions too
                outputs, _ = model.stateless_call(*state, pixels, training=False)
            return outputs

        return lambda pixels: [np.asarray(o) for o in _listed(jitted(state, pixels))]
    if backend == "torch":
        import torch

        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        compiled = torch.compile(model)

        def run(pixels: np.ndarray) -> list[np.ndarray]:
            with torch.no_grad():
                return [o.cpu().numpy() for o in _listed(compiled(pixels, training=False))]

        return run
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)
    function = tf.function(lambda pixels: model(pixels, training=False))
    return lambda pixels: [o.numpy() for o in _listed(function(tf.constant(pixels)))]


def _listed(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


@dataclass
class KerasModel:
    """A float32 network that answers like `skinedge.runtime.Network`.

    Attributes:
        source: run folder or recipe.
        model: the Keras model.
        trained: False where its weights are random.
        device: `cpu`, `gpu` or `tpu`.
        accelerator: name of the GPU or TPU that computes; empty for the processor.
        compile: ms of the first call at batch 1, which compiles.
    """

    source: str
    model: Any
    trained: bool
    device: str = field(init=False)
    accelerator: str = field(init=False)
    compile: float = field(init=False)

    def __post_init__(self) -> None:
        self.height, self.width = (int(side) for side in self.model.inputs[0].shape[1:3])
        self.device, self.accelerator = _device(self.model)
        self._function = _compiled(self.model)
        self.compile = self._timed(1)

    @property
    def runtime(self) -> str:
        """Keras and what computes for it."""
        backend = keras.backend.backend()
        return f"Keras {keras.__version__}, {backend} {version_of(backend)}"

    @property
    def parameters(self) -> int:
        return parameters(self.model)

    @property
    def weight_bytes(self) -> int:
        """Of its float32 weights alone, which no file is smaller than."""
        return BYTES_PER_WEIGHT * self.parameters

    @property
    def macs(self) -> int:
        return multiply_accumulates(self.model)

    def run(self, pixels: np.ndarray) -> list[np.ndarray]:
        """uint8 `[H, W, 3]` to probabilities and map, float32, on the processor again."""
        logits, *maps = (output[0] for output in self._function(normalise(pixels[np.newaxis])))
        return [softmax(logits), *maps]

    def _timed(self, batch: int) -> float:
        pixels = np.zeros((batch, self.height, self.width, 3), np.float32)
        start = time.perf_counter()
        self._function(pixels)
        return 1e3 * (time.perf_counter() - start)

    def throughput(self, batches: tuple[int, ...], seconds: float) -> dict[str, float]:
        """Images a second by batch size, compile time left out.

        Stops before a batch size whose rounds would take longer than `seconds`, or that does not
        fit into memory.
        """
        found: dict[str, float] = {}
        rounds, per_image = 3, None
        for batch in batches:
            if per_image is not None and per_image * batch * (rounds + 2) > 1e3 * seconds:
                break
            try:
                self._timed(batch)
                best = float(np.median([self._timed(batch) for _ in range(rounds)]))
            except Exception as error:  # each backend has its own for memory that is not there
                said = f"{type(error).__name__} {error}".lower()
                if not any(word in said for word in ("memory", "oom", "exhausted")):
                    raise
                break
            per_image = best / batch
            found[str(batch)] = 1e3 / per_image
        return found


def open_model(source: str, seed: int) -> KerasModel:
    """A run folder's model, or a recipe's network with random weights, at its last input size.

    Raises:
        RunError: the run has not finished.
    """
    if Path(source).is_dir():
        return KerasModel(source, load(Run(source)), trained=True)
    recipe = RECIPES[source]
    keras.utils.set_random_seed(seed)
    return KerasModel(source, build(recipe.spec_at(recipe.stages[-1]), keras), trained=False)
