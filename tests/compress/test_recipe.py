"""A compression's name says what it does, and says when it cannot."""

from __future__ import annotations

import subprocess
import sys

import pytest

from skinedge.compress.recipe import (
    CHANGED,
    LISTED,
    OLDEST_TFLITE,
    PRECISIONS,
    SWISH,
    Limits,
    parse,
)
from skinedge.errors import UsageError


@pytest.mark.parametrize("name", LISTED)
def test_every_listed_name_decodes_to_itself(name: str) -> None:
    assert parse(name).name == name


def test_a_name_is_steps_and_a_precision() -> None:
    how = parse("slim60-prune50-cluster32-qat-int8")
    assert how.steps() == ("slim60", "prune50", "cluster32", "qat")
    assert how.slim
    assert how.slim.macs == 0.6
    assert how.prune
    assert (how.prune.sparsity, how.prune.pattern) == (0.5, "")
    assert how.cluster
    assert how.cluster.clusters == 32
    assert how.qat
    assert how.precision == "int8"
    assert how.limits == CHANGED


@pytest.mark.parametrize("by", SWISH)
def test_swish_is_exchanged_before_anything_is_cut(by: str) -> None:
    how = parse(f"{by}-slim60-prune50-int8")
    assert how.swish
    assert how.swish.by == by
    assert how.steps() == (by, "slim60", "prune50")
    assert how.limits == CHANGED
    with pytest.raises(UsageError, match=by):
        parse(f"slim60-{by}-int8")


def test_structured_zeros_have_a_name_of_their_own() -> None:
    prune = parse("prune2of4-int8").prune
    assert prune
    assert prune.pattern == "2-by-4"
    assert prune.sparsity == 0.5


@pytest.mark.parametrize(
    ("name", "schedule", "scope"),
    [
        ("prune50-int8", "polynomial", "layer"),
        ("prune50global-int8", "polynomial", "global"),
        ("prune50constant-qat-int8", "constant", "layer"),
        ("slim60-prune50globalconstant-int8", "constant", "global"),
    ],
)
def test_a_name_has_schedule_and_scope_of_pruning(name: str, schedule: str, scope: str) -> None:
    prune = parse(name).prune
    assert prune
    assert (prune.sparsity, prune.schedule, prune.scope) == (0.5, schedule, scope)


def test_only_full_int8_must_stay_in_one_partition() -> None:
    assert parse("int8").limits == Limits()
    assert parse("int16x8").limits.partitions is None


def test_only_int8_after_training_corrects_biases_and_refits_the_last_layer() -> None:
    for name in ("int8", "slim60-int8"):
        assert parse(name).bias > 0
        assert parse(name).refit > 0
    for name in ("qat-int8", "float16", "int16x8"):
        assert (parse(name).bias, parse(name).refit) == (0, 0)


def test_epochs_are_of_every_step() -> None:
    how = parse("slim60-qat-int8").with_epochs(2)
    assert how.slim
    assert how.qat
    assert (how.slim.tune.epochs, how.qat.tune.epochs) == (2, 2)
    assert parse("int8").with_epochs(2) == parse("int8")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "int9",
        "slim60",
        "prune50-slim60-int8",
        "prune2of4global-int8",
        "prune5constantglobal-int8",
        "prune100-int8",
        "slim-int8",
        "int8-int8",
    ],
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="unknown compression recipe"):
        parse(name)


@pytest.mark.parametrize("name", ["slim0-int8", "prune00-int8", "cluster0-int8"])
def test_nothing_at_all_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        parse(name)


@pytest.mark.parametrize("name", ["cluster2-int8", "cluster257-qat-int8"])
def test_clusters_have_bounds(name: str) -> None:
    with pytest.raises(UsageError, match="3 to 256 clusters"):
        parse(name)


def test_fake_quantization_is_int8s() -> None:
    with pytest.raises(UsageError, match="qat trains for int8"):
        parse("qat-float16")
    with pytest.raises(UsageError, match="no int8 hard-swish; take relu6"):
        parse("hardswish-qat-int8")


def test_listing_needs_no_tensorflow() -> None:
    code = (
        "import sys; import skinedge.compress.recipe; "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_precision_says_what_runs_it() -> None:
    assert OLDEST_TFLITE.keys() == PRECISIONS.keys()
