"""What is measured of who competes: time, stages, accuracy, and where the time goes.

Each function is a step of `suite.benchmark`: it completes the bench's subjects.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from skinedge.classifier import Classifier
from skinedge.errors import DatasetError
from skinedge.image import to_input

from .bench import Bench
from .pictures import jpeg, pictures
from .results import Latency, Spread
from .timing import interleaved, spread

__all__ = ["accuracy", "inference", "roofs", "stages"]

# A network of 200 ms is timed less often than one of 2: its median is as steady.
SECONDS, LEAST_RUNS = 3.0, 10


def _runs(call: Callable[[], object], most: int) -> int:
    """As many as fit into `SECONDS`."""
    call()
    start = time.perf_counter()
    call()
    seconds = max(time.perf_counter() - start, 1e-6)
    return int(min(most, max(LEAST_RUNS, SECONDS / seconds)))


def inference(bench: Bench) -> None:
    """Inference of everything that computes, in turn."""
    keys: list[tuple[str, int]] = []
    calls: list[Callable[[], object]] = []

    def enter(name: str, threads: int, runner: Any) -> None:
        pixels = to_input(pictures(1, bench.plan.seed)[0], runner.height, runner.width)
        keys.append((name, threads))
        calls.append(lambda: runner.run(pixels))

    for model in bench.models:
        for threads, network in model.networks.items():
            enter(model.name, threads, network)
    for name, model in bench.keras.items():
        enter(name, 0 if bench.gpu else bench.watch.machine().cores, model)
    for name, peer in bench.peers.items():
        enter(name, min(bench.plan.threads), peer)
    runs = [min(bench.plan.runs, _runs(call, bench.plan.runs)) for call in calls]
    advance = bench.progress("time inference, all in turn", sum(runs))
    for (name, threads), times in zip(
        keys, interleaved(calls, runs, min(5, bench.plan.runs), advance), strict=True
    ):
        inference = spread(times)
        timed = Latency(threads, inference, throughput=1e3 / inference.median)
        bench.change(name, latency=(*bench.subjects[name].latency, timed))


def stages(bench: Bench) -> None:
    """What comes before the network and after it: an image file in memory to a prediction."""
    content = jpeg(pictures(1, bench.plan.seed)[0])
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    keys, calls = [], []

    def enter(name: str, threads: int, classifier: Classifier) -> None:
        stages = found.setdefault((name, threads), [])

        def predict() -> None:
            timings = classifier.predict(content).timings
            stages.append((timings.preprocess_ms, timings.postprocess_ms))

        keys.append((name, threads))
        calls.append(predict)

    for model in bench.models:
        for threads, network in model.networks.items() if model.file.card else ():
            enter(model.name, threads, Classifier(model.file, network))
    runs = [_runs(call, bench.plan.runs) for call in calls]
    advance = bench.progress("time whole predictions, all in turn", sum(runs))
    for key, times in zip(keys, interleaved(calls, runs, advance=advance), strict=True):
        before, after = (spread(column) for column in np.array(found[key][-len(times) :]).T)
        _set_stages(bench, *key, before, after, spread(times))


def _set_stages(
    bench: Bench, name: str, threads: int, before: Spread, after: Spread, total: Spread
) -> None:
    latency = tuple(
        replace(timed, preprocessing=before, postprocessing=after, total=total)
        if timed.threads == threads
        else timed
        for timed in bench.subjects[name].latency
    )
    bench.change(name, latency=latency)


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
        said[model.name] = measuring.answers(classifier, model.images, advance)
        found = measuring.accuracy(said[model.name], name, plan.split, bootstrap)
        bench.change(model.name, accuracy=found)
    first, *others = said or [""]
    for other in others:
        bench.progress(f"compare {first} with {other}", 0)
        try:
            compared = measuring.change(first, said[first], other, said[other], bootstrap)
        except DatasetError as error:
            bench.notes.append(f"{first} and {other} are not compared: {error}")
            continue
        bench.changes.append(compared)


def roofs(bench: Bench) -> None:
    """Where the time goes, for the first model and its float32 form."""
    profiling = importlib.import_module("skinedge.benchmarks.profile")
    for model in bench.models[:2]:
        bench.progress(f"{model.name}: where the time goes", 0)
        bench.roofs.append(profiling.roof(model.name, model.content))
