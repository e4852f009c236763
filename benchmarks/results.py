"""What a benchmark found, as plain values: what `--json` prints, `--compare` reads, a report draws.

Times are milliseconds, sizes bytes unless a name says otherwise. What was not measured is None, and
`notes` says why. `result_file` writes and reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "SCHEMA",
    "Accuracy",
    "Change",
    "Latency",
    "Machine",
    "Operator",
    "Report",
    "Roof",
    "Saving",
    "Size",
    "Spread",
    "Subject",
]

SCHEMA = 1


@dataclass(frozen=True)
class Spread:
    """A distribution of times, milliseconds.

    Attributes:
        median, p5, p95: of the runs.
        runs: how many there were, warm-up left out.
    """

    median: float
    p5: float
    p95: float
    runs: int


@dataclass(frozen=True)
class Machine:
    """What ran the benchmark.

    Attributes:
        processor: its name; empty where the system does not say.
        board: of a single-board computer or phone; empty otherwise.
        architecture: `x86_64`, `aarch64`, ...
        cores: logical ones that this process may use.
        memory: of the machine, bytes; None where unknown.
        system: operating system and release.
        python: its version.
        packages: versions of what was measured with, by name.
        gpu: name of the accelerator that Keras sees; empty for none.
        governor: of the CPU's frequency; empty where there is none to read.
        temperature: degrees Celsius before and after; None where no sensor can be read.
        throttled: whether the board says that it slowed down meanwhile; None where it does not say.
        load: share of the cores that others used in the second before the start; above 0.2 the
            machine is not idle; None where the system does not say.
        meter: what measured energy; empty where there is none that can be read.
    """

    processor: str
    board: str
    architecture: str
    cores: int
    memory: int | None
    system: str
    python: str
    packages: dict[str, str]
    gpu: str = ""
    governor: str = ""
    temperature: tuple[float, float] | None = None
    throttled: bool | None = None
    load: float | None = None
    meter: str = ""


@dataclass(frozen=True)
class Latency:
    """One image at a time, batch 1.

    Attributes:
        threads: the interpreter's; 0 where a GPU or TPU computes.
        inference: tensor in, tensors out.
        preprocessing: a JPEG of 600 x 450 in memory to the input tensor; None for a network alone.
        postprocessing: tensors to a prediction.
        total: that JPEG to a prediction, timed as a whole.
        throughput: images a second, many whole predictions one after the other.
        energy: millijoules of one inference, by the machine's meter, idling included; None
            without one.
    """

    threads: int
    inference: Spread
    preprocessing: Spread | None = None
    postprocessing: Spread | None = None
    total: Spread | None = None
    throughput: float | None = None
    energy: float | None = None


@dataclass(frozen=True)
class Size:
    """What a model costs but for time.

    Attributes:
        file: bytes on disk; of float32 weights alone where there is no file.
        parameters: numbers in it.
        macs: multiply-accumulates for one image.
        partitions: of the delegate; None outside TFLite.
        outside: operators that no delegate runs, by type.
        activations: bytes of all activations alive at once, at their worst moment.
        peak_memory: of a process that loads it and runs once; None where not measured.
        cold_start: of that process, from nothing to its answer.
    """

    file: int
    parameters: int | None = None
    macs: int | None = None
    partitions: int | None = None
    outside: dict[str, int] = field(default_factory=dict)
    activations: int | None = None
    peak_memory: int | None = None
    cold_start: Spread | None = None


@dataclass(frozen=True)
class Accuracy:
    """What a model gets right, on which images.

    Attributes:
        recorded: True where the model file says so of itself, False where it was measured now.
        dataset: its name.
        split: `test`, `validation`, or `all` for a set of its own.
        images: how many.
        metrics: balanced accuracy, macro AUROC, ..., by name; None where undefined.
        intervals: 95 % bootstrap interval of each metric.
    """

    recorded: bool
    dataset: str
    split: str
    images: int
    metrics: dict[str, float | None]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """One thing that was measured.

    Attributes:
        name: in this report; unique.
        source: file, run folder or recipe.
        runtime: what computes it, with its version.
        device: `cpu`, `gpu` or `tpu`.
        precision: `int8`, `float32`, ...
        weights: `trained`, `random` where only cost means anything, `unknown` where the file does
            not say; empty where there are none here.
        role: `model`; `baseline`, the full-precision Keras model; `peer`, another runtime with the
            same weights; or `published`, another system's network.
        input: side of its square input, pixels.
        size: see `Size`.
        latency: one for each number of threads.
        batches: images a second by batch size, the baseline's alone.
        compile: ms of the first call, which compiles; the baseline's alone.
        accuracy: None where weights are random or nothing is known.
        differs: a peer's largest difference in probability from the same model in LiteRT.
        refused: why it was not timed as equal or not at all; empty if it was.
    """

    name: str
    source: str
    runtime: str
    device: str
    precision: str
    weights: str
    role: str
    input: int
    size: Size
    latency: tuple[Latency, ...] = ()
    batches: dict[str, float] = field(default_factory=dict)
    compile: float | None = None
    accuracy: Accuracy | None = None
    differs: float | None = None
    refused: str = ""


@dataclass(frozen=True)
class Change:
    """One model against another on the same images.

    Attributes:
        model, against: names of subjects.
        images: how many.
        differences: of each metric, model minus other, with its 95 % paired bootstrap interval:
            `(difference, low, high)`.
        mcnemar: two-sided p of McNemar's exact test on right against wrong answers, images taken
            as independent.
        only_model, only_other: images that one alone gets right.
        agreement: share of images on which both name the same class.
        attention_correlation: mean correlation of the maps; None without both.
        attention_overlap: of their top 20 % of the area.
    """

    model: str
    against: str
    images: int
    differences: dict[str, tuple[float, float, float]]
    mcnemar: float
    only_model: int
    only_other: int
    agreement: float
    attention_correlation: float | None = None
    attention_overlap: float | None = None


@dataclass(frozen=True)
class Saving:
    """A model as shares of another: 0.1 is a tenth.

    Attributes:
        model, against: names of subjects.
        latency: by the model's number of threads.
        beside: what the other computed on where that is another number of threads: `2 threads`,
            `GPU`, `TPU`; empty otherwise.
        file, parameters, macs, peak_memory: see `Size`.
    """

    model: str
    against: str
    latency: dict[str, float] = field(default_factory=dict)
    beside: str = ""
    file: float | None = None
    parameters: float | None = None
    macs: float | None = None
    peak_memory: float | None = None


@dataclass(frozen=True)
class Operator:
    """One operator of a model.

    Attributes:
        name: of the tensor it writes.
        kind: its type, `CONV_2D`.
        macs: multiply-accumulates.
        bytes: weights and activations it reads and writes.
        ms: median time; None where the runtime does not say.
        bound: ms that this machine needs at least for it, by `Roof`.
    """

    name: str
    kind: str
    macs: int
    bytes: int
    ms: float | None = None
    bound: float | None = None


@dataclass(frozen=True)
class Roof:
    """What this processor can do, and how far a model is from it; one thread.

    Attributes:
        model: name of a subject.
        precision: `int8` or `float32`: of the kernel that was timed.
        macs_per_second: of that kernel.
        bytes_per_second: of a copy of memory, read and written.
        operators: of the model, in the order they run.
        share: of the model's time that the bounds account for, 0 to 1.
        accounted: the operators' own times over the model's; near 1 on an idle machine.
    """

    model: str
    precision: str
    macs_per_second: float
    bytes_per_second: float
    operators: tuple[Operator, ...]
    share: float | None = None
    accounted: float | None = None


@dataclass(frozen=True)
class Report:
    """One run of the benchmark.

    Attributes:
        complete: False while it runs, and in a file of a run that was killed.
        command: what was typed.
        started: ISO 8601, UTC.
        seconds: it took.
        seed: of images and bootstrap draws.
        machine, subjects, changes, savings, roofs: what was found.
        notes: what was left out, and why; what a reader must know to judge the figures.
    """

    complete: bool
    command: str
    started: str
    seconds: float
    seed: int
    machine: Machine
    subjects: tuple[Subject, ...] = ()
    changes: tuple[Change, ...] = ()
    savings: tuple[Saving, ...] = ()
    roofs: tuple[Roof, ...] = ()
    notes: tuple[str, ...] = ()
    schema: int = SCHEMA
