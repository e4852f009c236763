"""A compression recipe is plain data, and its name says what it does.

    >>> parse("slim60-prune50-qat-int8").steps()
    ('slim60', 'prune50', 'qat')

A name is steps in this order, each at most once, and a precision, joined by hyphens:

- `relu6`, `hardswish`: that function in place of every swish;
- `slimN`: whole channels removed until N % of the MACs are left;
- `pruneN`: the smallest N % of each layer's weights set to zero, more and more of them;
  `pruneNglobal`: of all layers' together; `pruneNconstant`: all at once, at the start;
  `pruneNglobalconstant`: both; `prune2of4`: two of every four;
- `clusterN`: at most N different weights a layer;
- `qat`: quantization-aware training;
- the precision of the file: see `PRECISIONS`.

No TensorFlow here: `skinedge compress --list` reads this module alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from skinedge.errors import UsageError

__all__ = [
    "ANDROID_TFLITE",
    "LISTED",
    "OLDEST_TFLITE",
    "PRECISIONS",
    "SWISH",
    "Cluster",
    "Compression",
    "FineTune",
    "Limits",
    "Prune",
    "Qat",
    "Slim",
    "Swish",
    "parse",
]

PRECISIONS = {
    "int8": "int8 weights per channel and activations, uint8 pixels in; for phones and boards",
    "int16x8": "int8 weights per channel, int16 activations; XNNPACK has no kernels for it",
    "float16": "float16 weights, computed in float32; half the size",
    "dynamic": "int8 weights, float32 activations; a quarter of the size, no calibration",
    "int4": "int4 weights per channel where they matter, float32 activations",
    "float32": "full precision",
}

# The first TensorFlow Lite seen to run such a file and answer as LiteRT does, of 2.16.1, 2.17.1,
# 2.18.1 and 2.19.1. Operator versions in a file do not tell: AI Edge Quantizer leaves them alone,
# and 2.16.1 answers nonsense to an int4 file instead of refusing it.
OLDEST_TFLITE = {
    "int8": "2.16",
    "int16x8": "2.19",
    "float16": "2.16",
    "dynamic": "2.17",
    "int4": "2.19",
    "float32": "2.16",
}
ANDROID_TFLITE = "2.16"  # the last release for Android on Maven Central

# What can stand for swish, and what Keras calls it.
SWISH = {"relu6": "relu6", "hardswish": "hard_silu"}

LEAST_CLUSTERS, MOST_CLUSTERS = 3, 256  # zero and one value on either side; what int8 can tell


@dataclass(frozen=True)
class FineTune:
    """How long and how fast a changed network learns to say again what the float model says.

    Attributes:
        epochs: passes of `images_per_epoch` draws.
        learning_rate: AdamW's peak; a cosine takes it to a hundredth.
        images_per_epoch: draws with replacement; 0 is as many as the training recipe has.
        weight_decay: AdamW's.
        map_weight: of the maps' distance beside the answers'.
    """

    epochs: int
    learning_rate: float = 2e-4
    images_per_epoch: int = 0
    weight_decay: float = 0.0
    map_weight: float = 1.0


@dataclass(frozen=True)
class Swish:
    """Replace swish by a row of `SWISH`; see `activations`."""

    by: str
    tune: FineTune = FineTune(4, 3e-4)


@dataclass(frozen=True)
class Slim:
    """Remove whole channels; see `slim`.

    Attributes:
        macs: share of the multiply-accumulates that may be left, 0 to 1.
        steps: cuts on the way there, each followed by fine-tuning.
        tune: fine-tuning, all cuts together.
    """

    macs: float
    steps: int = 3
    tune: FineTune = FineTune(12, 3e-4)


@dataclass(frozen=True)
class Prune:
    """Set small weights to zero; see `prune`.

    Attributes:
        sparsity: share of zeros at the end, 0 to 1.
        schedule: `polynomial`, which rises to it, or `constant`.
        scope: `layer`, each layer alike, or `global`, one threshold for all.
        pattern: empty, or `2-by-4`: two zeros in every four weights along the channels.
        tune: fine-tuning while and after zeros are made.
    """

    sparsity: float
    schedule: str = "polynomial"
    scope: str = "layer"
    pattern: str = ""
    tune: FineTune = FineTune(4)


@dataclass(frozen=True)
class Cluster:
    """Let a layer's weights share few values; see `cluster`."""

    clusters: int
    tune: FineTune = FineTune(2, 5e-5)


@dataclass(frozen=True)
class Qat:
    """Train with fake quantization in place; see `qat`."""

    tune: FineTune = FineTune(3, 5e-5)


@dataclass(frozen=True)
class Limits:
    """What a compressed model may lose on the validation split; the gate's.

    Attributes:
        balanced_accuracy, macro_auroc, melanoma_auroc: fall against the float model, 0 to 1.
        calibration_error: rise of the expected calibration error.
        sensitivity: what each decision threshold, refitted to this model, must reach; or what
            the float model reaches, if that is less.
        specificity: fall at that threshold.
        agreement: least share of images on which both name the same class.
        attention_correlation: least mean correlation of the maps.
        attention_overlap: least mean overlap of their top 20 %.
        attention_on_lesion: fall of the share of the map's energy on the lesion.
        partitions: most delegate partitions, or as many as the float file's; None for any.
    """

    balanced_accuracy: float = 0.01
    macro_auroc: float = 0.01  # of twelve lesions of a class, one can cost 0.006
    melanoma_auroc: float = 0.01
    calibration_error: float = 0.02
    sensitivity: float = 0.95
    specificity: float = 0.05
    agreement: float = 0.97
    attention_correlation: float = 0.95
    attention_overlap: float = 0.75
    attention_on_lesion: float = 0.03
    partitions: int | None = 1


# A fine-tuned network is another network: it may differ image by image, not on the whole.
CHANGED = Limits(
    balanced_accuracy=0.03,
    melanoma_auroc=0.02,
    specificity=0.08,
    agreement=0.90,
    attention_correlation=0.85,
    attention_overlap=0.6,
    attention_on_lesion=0.05,
)


@dataclass(frozen=True)
class Compression:
    """Everything that decides a compressed file but the run, its data and the seed.

    Attributes:
        name: as `parse` reads it.
        precision: a row of `PRECISIONS`.
        swish, slim, prune, cluster, qat: the steps, in this order; None for none.
        representative: training images that calibrate activation ranges, where there are any.
        choice: which of them: `random`, or `balanced`, each class in turn.
        ranges: how they decide activation ranges: a row of `ranges.RANGES`.
        float_layers: pattern of more layers or tensors that stay float in an int8 or int16x8
            file, beside those of `zoo.attention.FLOAT_IN_INT8`; see `sensitivity`.
        bias: training images by which the biases of an int8 file are corrected, if that helps
            (see `bias`); 0 for none.
        refit: training images that refit the last layer to int8 (see `refit`); 0 for none.
        limits: the gate's.
    """

    name: str
    precision: str = "int8"
    swish: Swish | None = None
    slim: Slim | None = None
    prune: Prune | None = None
    cluster: Cluster | None = None
    qat: Qat | None = None
    representative: int = 128
    choice: str = "random"
    ranges: str = "min-max"
    float_layers: str = ""
    bias: int = 64
    refit: int = 2000
    limits: Limits = Limits()

    def steps(self) -> tuple[str, ...]:
        """The steps that change the network, by name."""
        return tuple(self.name.split("-")[:-1])

    @property
    def calibrates(self) -> bool:
        """Whether training images decide its ranges after training."""
        return self.qat is None and self.precision in ("int8", "int16x8")

    @property
    def images(self) -> int:
        """How many training images it takes beside those of fine-tuning."""
        if self.qat is not None:
            return self.representative
        return max(self.representative + self.bias, self.refit) if self.calibrates else 0

    def with_epochs(self, epochs: int) -> Compression:
        """The same, with so many epochs of fine-tuning in every step."""
        steps = {key: getattr(self, key) for key in ("swish", "slim", "prune", "cluster", "qat")}
        tuned = {
            key: replace(step, tune=replace(step.tune, epochs=epochs))
            for key, step in steps.items()
            if step is not None
        }
        return replace(self, **tuned)


_NAME = re.compile(
    rf"(?:(?P<swish>{'|'.join(SWISH)})-)?"
    r"(?:slim(?P<slim>\d{1,2})-)?(?:prune(?P<prune>\d{1,2}|2of4(?!\w))"
    r"(?P<scope>global)?(?P<schedule>constant)?-)?"
    r"(?:cluster(?P<cluster>\d{1,3})-)?(?P<qat>qat-)?(?P<precision>[a-z]+\d*(?:x\d+)?)"
)


def _prune(match: re.Match[str]) -> Prune:
    if match["prune"] == "2of4":
        return Prune(0.5, "constant", pattern="2-by-4")
    schedule, scope = match["schedule"] or "polynomial", match["scope"] or "layer"
    return Prune(int(match["prune"]) / 100, schedule, scope)


def parse(name: str) -> Compression:
    """A recipe from its name.

    Raises:
        UsageError: the name is none.
    """
    match = _NAME.fullmatch(name)
    if match is None or match["precision"] not in PRECISIONS:
        raise UsageError(
            f"unknown compression recipe {name!r}: steps ({', '.join(SWISH)}, slimN, pruneN, "
            f"prune2of4, clusterN, qat) in this order and a precision ({', '.join(PRECISIONS)}), "
            "joined by hyphens"
        )
    if match["qat"] and match["swish"] == "hardswish":
        raise UsageError(f"{name!r}: the delegate has no int8 hard-swish; take relu6 before qat")
    if match["qat"] and match["precision"] != "int8":
        raise UsageError(f"{name!r}: qat trains for int8, not for {match['precision']}")
    numbers = [match[step] for step in ("slim", "prune", "cluster")]
    if any(number is not None and number.strip("0") == "" for number in numbers):
        raise UsageError(f"{name!r}: a step's number is at least 1")
    if match["cluster"] and not LEAST_CLUSTERS <= int(match["cluster"]) <= MOST_CLUSTERS:
        raise UsageError(f"{name!r}: a layer has {LEAST_CLUSTERS} to {MOST_CLUSTERS} clusters")
    post_training = match["precision"] == "int8" and not match["qat"]
    changed = match["swish"] or match["qat"] or any(numbers)
    limits = CHANGED if changed else Limits()
    if match["precision"] not in ("int8", "float32", "float16"):
        limits = replace(limits, partitions=None)
    return Compression(
        name,
        match["precision"],
        Swish(match["swish"]) if match["swish"] else None,
        Slim(int(match["slim"]) / 100) if match["slim"] else None,
        _prune(match) if match["prune"] else None,
        Cluster(int(match["cluster"])) if match["cluster"] else None,
        Qat() if match["qat"] else None,
        # Trained against fake quantization, every layer already fits.
        bias=Compression.bias if post_training else 0,
        refit=Compression.refit if post_training else 0,
        limits=limits,
    )


# What `skinedge compress --list` shows; any other name that decodes works as well.
LISTED = {
    "int8": "post-training int8: the default",
    "qat-int8": "quantization-aware training",
    "slim55-int8": "55 % of the MACs, channels removed: smaller and faster",
    "slim55-qat-int8": "55 % of the MACs, then quantization-aware training",
    "relu6-int8": "ReLU6 for swish, which int8 rounds badly: EfficientNet-B0 and B3",
    "relu6-qat-int8": "ReLU6 for swish, then quantization-aware training",
    "prune50-int8": "half of the weights zero: smaller only once zipped, not faster",
    "prune2of4-int8": "two zeros in every four weights, for hardware that skips them",
    "cluster32-int8": "32 different weights a layer: smaller only once zipped",
    "prune50-cluster32-qat-int8": "all three; zeros and clusters kept while training",
    "int16x8": "int16 activations",
    "float16": "half the size, no loss",
    "dynamic": "int8 weights alone",
    "int4": "int4 weights alone",
    "float32": "only converted",
}
