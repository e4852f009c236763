"""Who competes: model files, their float32 forms, Keras models, other runtimes.

Each function is a step of `suite.benchmark`: it adds subjects to the bench.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from skinedge.errors import (
    CompressionError,
    ModelFileError,
    RunError,
    SkinEdgeError,
    UsageError,
)
from skinedge.model_file import ModelFile, read_model
from skinedge.runtime import Network

from . import graph
from .bench import Bench, Model
from .machine import version_of
from .process import cold_starts, keras_peak
from .results import Accuracy, Size, Subject
from .savings import ISIC_2020_WINNER

__all__ = ["keras_models", "models", "other_runtimes", "own_float", "processes"]

PUBLISHED = ("melanoma-b3", "soft-attention-resnet", "soft-attention-irv2")
COLD_RUNS = 8
BATCHES, BATCH_SECONDS = (1, 4, 16, 64, 256), 2.0


def precision_of(file: ModelFile) -> str:
    """`int8`, `float32`, ... as the file says, or as its weights are."""
    if file.card is None:
        return graph.precision(file.content)
    how = file.card["quantization"]
    if how is None:
        return "float32"
    if how["activations"] == "float32":
        return str(how["weights"].split()[0])
    return "int16x8" if how["activations"] == "int16" else str(how["activations"])


def _recorded(card: dict[str, Any] | None) -> Accuracy | None:
    """What a file says of itself."""
    said = (card or {}).get("metrics")
    if not card or not said:
        return None
    metrics = {
        name: said.get(name)
        for name in ("accuracy", "balanced_accuracy", "macro_auroc", "melanoma_auroc")
    }
    return Accuracy(True, card["training"]["dataset"], said["split"], said["images"], metrics)


def _load(bench: Bench, name: str, file: ModelFile, source: str) -> None:
    """Put a `.tflite` on the bench."""
    plan = bench.plan
    networks = {threads: Network(file.content, name, threads) for threads in plan.threads}
    first = next(iter(networks.values()))
    litert = first.runtime == "litert"
    bench.models.append(Model(name, file, networks))
    bench.add(
        Subject(
            name=name,
            source=source,
            runtime=f"LiteRT {version_of('ai-edge-litert')}".strip()
            if litert
            else f"{first.runtime} {version_of(first.runtime)}",
            device="cpu",
            precision=precision_of(file),
            weights="trained" if file.card else "unknown",
            role="model",
            input=first.height,
            size=Size(
                file=len(file.content),
                parameters=graph.parameters(file.content),
                macs=graph.macs(file.content),
                partitions=first.delegate_partitions() if litert else None,
                outside=graph.outside(file.content) if litert else {},
                activations=graph.activations(file.content),
            ),
            accuracy=_recorded(file.card),
        )
    )


def models(bench: Bench) -> None:
    """The files, and all that can be wrong with the plan: found before the long work."""
    bench.progress("load models", 0)
    _check_baseline(bench)
    paths = bench.plan.models or (read_model().path,)
    stems = [path.stem for path in paths]
    for path, stem in zip(paths, stems, strict=True):
        name = stem if stems.count(stem) == 1 else str(path.with_suffix(""))
        if name in bench.subjects:
            raise UsageError(f"{path}: named twice; name each model once")
        embedded = not bench.plan.models
        _load(bench, name, opened(path), "embedded" if embedded else str(path))
    if bench.plan.data:
        choosing = importlib.import_module("skinedge.train.model_images")
        for model in bench.models:
            if model.file.card is None:
                bench.notes.append(f"no accuracy of {model.name}: it names no classes")
                continue
            model.images, _ = choosing.images_for(model.file, bench.plan.data, bench.plan.split)


def _check_baseline(bench: Bench) -> None:
    baseline = bench.plan.baseline
    if not baseline:
        return
    folder = Path(baseline).is_dir()
    try:
        known = importlib.import_module(f"skinedge.train.{'runs' if folder else 'recipes'}")
    except ModuleNotFoundError:  # a board's install; `keras_models` will say what is missing
        return
    if folder:
        run = known.Run(baseline)
        run.describe()
        if not run.model.is_file():
            raise RunError(f"{baseline}: training has not finished; go on with train --resume")
    elif baseline not in known.RECIPES:
        raise UsageError(
            f"{baseline}: neither a run folder nor a recipe; skinedge recipes lists recipes"
        )


def opened(path: Path) -> ModelFile:
    """A model file; one without a card has a network to time, and nothing else to say."""
    try:
        return read_model(path)
    except SkinEdgeError:
        content = path.read_bytes() if path.is_file() else b""
        if content[4:8] != b"TFL3" or b"skinedge.json" in content:
            raise
        return ModelFile(path, content, (), None)


def processes(bench: Bench) -> None:
    """A process for each model, from nothing to its first answer."""
    bench.progress("cold start of a process for each model", 0)
    files = {model.name: model.content for model in bench.models}
    for name, (cold, peak) in cold_starts(files, bench.most_threads, COLD_RUNS).items():
        size = bench.subjects[name].size
        bench.change(name, size=replace(size, cold_start=cold, peak_memory=peak))


def _station(bench: Bench, module: str, left_out: str) -> Any:
    """A module that needs more than a board has, or None and a note."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        bench.notes.append(f"{left_out}: the package {error.name} is not installed")
        return None


def own_float(bench: Bench) -> None:
    """Each int8 file's network in full precision, where it can be read back out of the file."""
    wanted = [
        model
        for model in bench.models
        if model.file.card and bench.subjects[model.name].precision != "float32"
    ]
    if not wanted:
        return
    bench.progress("the same networks in float32", 0)
    restoring = _station(bench, "skinedge.benchmarks.float_form", "no float32 form of the models")
    for model in wanted if restoring else ():
        name = f"{model.name}-float32"
        if name in bench.subjects:  # given as a file of its own
            continue
        try:
            form = restoring.float32_form(model.file)
        except CompressionError as error:
            bench.notes.append(f"no float32 form of {model.name}: {error}")
            continue
        source = bench.subjects[model.name].source
        _load(bench, name, form, f"restored from {source}")
        bench.models[-1].images = model.images
        bench.notes += _about_form(name, model, form, bool(bench.plan.data))


def _about_form(name: str, model: Model, form: ModelFile, measured: bool) -> Iterator[str]:
    """What to know of a float32 form before its accuracy is compared with the file's."""
    how = (model.file.card or {}).get("quantization") or {}
    parts = (("biases", "bias_images"), ("last layer", "refit_images"))
    fitted = [what for what, images in parts if how.get(images)]
    weights = f"the weights of {model.name}, rounded as they are there"
    if fitted:
        yield (
            f"{name} computes in float32 with {weights}, {' and '.join(fitted)} as fitted to what "
            "int8 computes: it answers a little worse than the network that was compressed, and "
            "the difference of the two is not what compression cost."
        )
    else:
        yield (
            f"{name} computes in float32 with {weights}: beside it, only quantized activations "
            "show."
        )
    recorded = _recorded(form.card)
    if recorded and measured:
        figures = ", ".join(
            f"{metric.replace('_', ' ').replace('auroc', 'AUROC')} {value:.4f}"
            for metric, value in recorded.metrics.items()
            if value is not None and not math.isnan(value)
        )
        yield (
            f"Recorded of the network that was compressed to {model.name}, in float32, on its "
            f"{recorded.split} split: {figures}."
        )
    elif recorded:
        yield f"Accuracy recorded for {name} is that of the network before rounding."


def keras_models(bench: Bench) -> None:
    """The baseline, the published networks with random weights, the first model's own in Keras."""
    plan = bench.plan
    wanted = list(dict.fromkeys([plan.baseline, *(PUBLISHED if plan.published else ())]))
    if not any(wanted):
        return
    keras_model = _station(bench, "skinedge.benchmarks.keras_model", "no full-precision baseline")
    if keras_model is None:
        return
    with ExitStack() as stack:
        peaks, alone = {}, {}
        for source in filter(None, wanted):
            bench.progress(f"Keras: build and compile {source}", 0)
            role = "baseline" if source == plan.baseline else "published"
            name = f"{Path(source).name} (Keras)"
            if name in bench.subjects:
                name = f"{source} (Keras)"
            _add_keras(bench, name, role, keras_model.open_model(source, plan.seed))
            # The baseline beside the next ones, whose first calls it slows a little: alone it
            # would take ten seconds more, as each of the others does, for which there is time
            # only with data. Not on a GPU, where a network's memory is not the processor's.
            if bench.subjects[name].device != "cpu":
                continue
            if role == "baseline":
                peaks[name] = stack.enter_context(keras_peak(source, plan.seed))
            elif plan.data:
                alone[name] = source
        if plan.peers:
            _own_in_keras(bench, keras_model)
        for name, peak in peaks.items():
            _weigh(bench, name, peak)
    for name, source in alone.items():
        bench.progress(f"Keras: weigh {source}", 0)
        with keras_peak(source, plan.seed) as peak:
            _weigh(bench, name, peak)
    gpus = {model.accelerator for model in bench.keras.values()} - {""}
    bench.gpu = ", ".join(sorted(gpus))
    if not gpus:
        bench.notes.append("Keras saw no GPU: it computed on the processor, on all its cores.")
    if plan.published:
        bench.notes.append(
            "The ISIC 2020 winner's parameters are derived: the sum of its 18 networks' published "
            "ones, for one fold of five."
        )
        bench.add(
            Subject(
                name="ISIC 2020 winner (parameters derived)",
                source="arXiv 2010.05351",
                runtime="",
                device="",
                precision="float32",
                weights="",
                role="published",
                input=0,
                size=Size(
                    file=keras_model.BYTES_PER_WEIGHT * ISIC_2020_WINNER,
                    parameters=ISIC_2020_WINNER,
                ),
            )
        )


def _weigh(bench: Bench, name: str, peak: Callable[[], int]) -> None:
    try:
        size = replace(bench.subjects[name].size, peak_memory=peak())
    except ModelFileError as error:
        bench.notes.append(f"no peak memory of {error}")
    else:
        bench.change(name, size=size)


def _own_in_keras(bench: Bench, keras_model: Any) -> None:
    """The first model's float32 form in Keras: a peer of that form, if it answers alike."""
    form = bench.first_in_both_precisions()[-1]
    if form.file.card is None or bench.subjects[form.name].precision != "float32":
        return
    peers = importlib.import_module("skinedge.benchmarks.peers")
    restoring = importlib.import_module("skinedge.compress.restore")
    name = f"{form.name} in Keras"
    try:
        restored = restoring.restored(form.file)
    except CompressionError as error:
        bench.notes.append(f"{name} was not measured: {error}")
        return
    own = keras_model.KerasModel(bench.subjects[form.name].source, restored, trained=True)
    _add_keras(bench, name, "peer", own)
    found = peers.compared(bench, form, own)
    refused = peers.why_different(found, "float32")
    bench.change(name, differs=found.largest, refused=refused)


def _add_keras(bench: Bench, name: str, role: str, model: Any) -> None:
    bench.keras[name] = model
    bench.add(
        Subject(
            name=name,
            source=model.source,
            runtime=model.runtime,
            device=model.device,
            precision="float32",
            weights="trained" if model.trained else "random",
            role=role,
            input=model.height,
            size=Size(
                file=model.weight_bytes,
                parameters=model.parameters,
                macs=model.macs,
            ),
            compile=model.compile,
            batches=model.throughput(BATCHES, BATCH_SECONDS) if role == "baseline" else {},
        )
    )


def other_runtimes(bench: Bench) -> None:
    """Other runtimes with the same weights; one that answers otherwise is not compared."""
    if not bench.plan.peers:
        return
    peers = _station(bench, "skinedge.benchmarks.peers", "no other runtimes")
    if peers is None:
        return
    bench.progress("other runtimes: load and compare", 0)
    for model in bench.first_in_both_precisions():
        peers.add_to(bench, model)
