"""What is measured of who competes: time, stages, accuracy, and where the time goes.

Each function is a step of `suite.benchmark`: it completes the bench's subjects.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from skinedge.classifier import Classifier
from skinedge.errors import DatasetError
from skinedge.image import to_input

from .bench import Bench
from .energy import millijoules
from .pictures import jpeg, pictures
from .results import Latency
from .timing import interleaved, spread

__all__ = ["accuracy", "inference", "roofs", "stages"]

# A network of 200 ms is timed less often than one of 2: its median is as steady.
SECONDS, LEAST_RUNS = 1.5, 10
BASELINE_SECONDS = 4.0  # what every ratio is about, and on all cores: other work disturbs it most
# For throughput: images one after the other, so many times.
STREAM_IMAGES, STREAMS = 10, 9


def _runs(call: Callable[[], object], most: int, seconds: float = SECONDS) -> int:
    """As many as fit into so many seconds."""
    call()
    start = time.perf_counter()
    call()
    once = max(time.perf_counter() - start, 1e-6)
    return int(min(most, max(LEAST_RUNS, seconds / once)))


def inference(bench: Bench) -> None:
    """Inference of everything that computes, in turn; energy where there is a meter."""
    keys: list[tuple[str, int]] = []
    calls: list[Callable[[], object]] = []

    def enter(name: str, threads: int, runner: Any) -> None:
        pixels = to_input(pictures(1, bench.plan.seed)[0], runner.height, runner.width)
        keys.append((name, threads))
        calls.append(lambda: runner.run(pixels))

    for model in bench.models:
        for threads, network in model.networks.items():
            enter(model.name, threads, network)
    cores = bench.watch.machine().cores
    for name, model in bench.keras.items():
        enter(name, 0 if model.accelerator else cores, model)
    for name, peer in bench.peers.items():
        enter(name, min(bench.plan.threads), peer)
    roles = [bench.subjects[name].role for name, _ in keys]
    seconds = [BASELINE_SECONDS if role == "baseline" else SECONDS for role in roles]
    runs = [_runs(call, bench.plan.runs, s) for call, s in zip(calls, seconds, strict=True)]
    advance = bench.progress("time inference, all in turn", sum(runs))
    found = interleaved(calls, runs, min(5, bench.plan.runs), advance)
    # After all times are taken: reading a meter takes time too.
    meter = bench.watch.meter
    if meter:
        advance = bench.progress(f"energy, by {meter.name}", sum(1 for _, t in keys if t))
    for (name, threads), call, timed in zip(keys, calls, found, strict=True):
        energy = None
        if meter and threads:  # neither sees a GPU
            energy = millijoules(meter, call)
            advance(1)
        latency = Latency(threads, spread(timed.ms), energy=energy)
        bench.change(name, latency=(*bench.subjects[name].latency, latency))


def stages(bench: Bench) -> None:
    """What comes before the network and after it: an image file in memory to a prediction."""
    content = jpeg(pictures(1, bench.plan.seed)[0])
    classifiers = {
        (model.name, threads): Classifier(model.file, network)
        for model in bench.models
        if model.file.card
        for threads, network in model.networks.items()
    }
    calls = [partial(classifier.predict, content) for classifier in classifiers.values()]
    runs = [_runs(call, bench.plan.runs) for call in calls]
    advance = bench.progress("time whole predictions, all in turn", sum(runs))
    found = interleaved(calls, runs, advance=advance)
    streams = [partial(_stream, classifier, content) for classifier in classifiers.values()]
    streamed = interleaved(streams, [STREAMS] * len(streams), warm_up=0)
    for (name, threads), timed, stream in zip(classifiers, found, streamed, strict=True):
        timings = [prediction.timings for prediction in timed.returned]
        changed = {
            "preprocessing": spread([t.preprocess_ms for t in timings]),
            "postprocessing": spread([t.postprocess_ms for t in timings]),
            "total": spread(timed.ms),
            "throughput": 1e3 * STREAM_IMAGES / spread(stream.ms).median,
        }
        latency = tuple(
            replace(one, **changed) if one.threads == threads else one
            for one in bench.subjects[name].latency
        )
        bench.change(name, latency=latency)


def _stream(classifier: Classifier, content: bytes) -> None:
    for _ in classifier.predict_many([content] * STREAM_IMAGES):
        pass


def accuracy(bench: Bench) -> None:
    """On labelled images where there are any; else the files speak for themselves."""
    plan = bench.plan
    if not plan.data:
        if any(s.accuracy for s in bench.subjects.values()):
            bench.notes.append(
                "Accuracy is what the model files record of themselves; --data DIR measures it."
            )
        return
    measuring = importlib.import_module("skinedge.benchmarks.accuracy")
    bootstrap = measuring.Bootstrap(seed=plan.seed)
    said: dict[str, Any] = {}
    for model in bench.models:
        if model.images is None:
            continue
        name = model.images.name
        advance = bench.progress(f"{model.name}: ask about {name}", len(model.images.images))
        classifier = Classifier(model.file, model.networks[bench.most_threads])
        said[model.name] = measuring.ask(classifier, model.images, advance)
        for unreadable in said[model.name].unreadable:
            note = f"left out, {unreadable}"
            bench.notes += [note] if note not in bench.notes else []
    said.update(_asked_keras(bench))
    datasets = dict.fromkeys(said, next((m.images.name for m in bench.models if m.images), ""))
    for name, answers in said.items():
        found = measuring.accuracy(answers, datasets[name], plan.split, bootstrap)
        bench.change(name, accuracy=found)
    first, *others = said or [""]
    for other in others:
        bench.progress(f"compare {first} with {other}", 0)
        try:
            compared = measuring.change(first, said[first], other, said[other], bootstrap)
        except DatasetError as error:
            bench.notes.append(f"{first} and {other} are not compared: {error}")
            continue
        bench.changes.append(compared)


def _asked_keras(bench: Bench) -> dict[str, Any]:
    """What a trained baseline says of the first model's images, if those were its test too."""
    trained = {name: model for name, model in bench.keras.items() if model.trained}
    first = bench.models[0]
    if first.images is None or first.file.card is None:
        return {}
    runs = importlib.import_module("skinedge.train.runs")
    said = {}
    for name, model in trained.items():
        if bench.subjects[name].role != "baseline":
            continue
        described = runs.Run(model.source).describe()
        if tuple(described["recipe"]["spec"]["classes"]) != first.images.classes:
            bench.notes.append(f"no accuracy of {name}: it answers for other classes")
            continue
        same = described.get("split_sha256") == first.file.card["training"]["split_sha256"]
        if bench.plan.split != "all" and not same:
            bench.notes.append(f"no accuracy of {name}: it was trained on another split")
            continue
        bench.progress(f"{name}: ask about {first.images.name}", 0)
        said[name] = runs.ask_keras(model.model, first.images)
    return said


def roofs(bench: Bench) -> None:
    """Where the time goes, for the first model and its float32 form."""
    profiling = importlib.import_module("skinedge.benchmarks.profile")
    for model in bench.first_in_both_precisions():
        if not bench.subjects[model.name].runtime.startswith("LiteRT"):
            bench.notes.append(f"no profile of {model.name}: only LiteRT can be looked into")
            continue
        bench.progress(f"{model.name}: where the time goes", 0)
        bench.roofs.append(profiling.roof(model.name, model.content))
