"""The benchmark from end to end: every step adds to one report, which is whole at the end.

Processes are measured in turn before Keras models and other runtimes are loaded; then all that
computes is timed in turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone

from .bench import Bench, Plan, Progress
from .contestants import keras_models, models, other_runtimes, own_float, processes
from .measuring import accuracy, inference, roofs, stages
from .results import Report
from .savings import savings

__all__ = ["benchmark"]

BUSY = 0.2
STEPS = (
    models,
    own_float,
    processes,
    keras_models,
    other_runtimes,
    inference,
    stages,
    accuracy,
    roofs,
)


def benchmark(plan: Plan, progress: Progress, save: Callable[[Report], None]) -> Report:
    """Measure what the plan names.

    Args:
        plan: see there.
        progress: called with a line and a number of items before each step; what it returns is
            called with a number of items done.
        save: called after each step with the report so far, which says that it is not complete,
            and with the whole one at the end.

    Raises:
        UsageError: the plan names what does not exist, or a set the models were not trained on.
        RunError: the baseline is a folder without a finished run.
        ModelFileError: a file is no model.
        DatasetError: the images have no labels, or not the model's.
    """
    start, started = time.monotonic(), datetime.now(timezone.utc).isoformat(timespec="seconds")
    bench = Bench(plan, progress)

    def report(complete: bool) -> Report:
        subjects = tuple(bench.subjects.values())
        return Report(
            complete=complete,
            command=plan.command,
            started=started,
            seconds=round(time.monotonic() - start, 1),
            seed=plan.seed,
            machine=bench.watch.machine(bench.gpu),
            subjects=subjects,
            changes=tuple(bench.changes),
            savings=savings(subjects),
            roofs=tuple(bench.roofs),
            notes=tuple(bench.notes),
        )

    machine = bench.watch.machine()
    if machine.load is not None and machine.load > BUSY:
        bench.notes.append(
            f"Other work was running at the start, on {machine.load:.0%} of the cores: times are "
            "longer than the machine's own, and their ratios less steady."
        )
    if max(plan.threads) > machine.cores:
        bench.notes.append(
            f"{max(plan.threads)} threads on {machine.cores} cores: they wait for one another."
        )
    for step in STEPS:
        step(bench)
        save(report(complete=False))
    whole = report(complete=True)
    save(whole)
    return whole
