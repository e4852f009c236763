"""Other runtimes answer as LiteRT does, or are reported as different."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from draw_lesion import draw

from skinedge.benchmarks import peers
from skinedge.benchmarks.bench import Bench, Model, Plan
from skinedge.benchmarks.peers import (
    PEERS,
    SAME,
    Difference,
    Peer,
    available,
    difference,
    load,
    why_different,
)
from skinedge.benchmarks.results import Size, Subject
from skinedge.errors import ModelFileError
from skinedge.image import to_input
from skinedge.model_file import EMBEDDED, read_model
from skinedge.runtime import Network

CONTENT = EMBEDDED.read_bytes()
FILE = read_model()
COLOURS = ((200, 60, 60), (40, 30, 30), (230, 150, 90))


def _images(height: int, width: int) -> np.ndarray:
    drawn = (draw(seed, 225, 300, colour) for seed, colour in enumerate(COLOURS))
    return np.stack([to_input(picture, height, width) for picture in drawn])


class Wrong:
    """The embedded model behind a mistake."""

    def __init__(self, mistake: str) -> None:
        self.network, self.mistake = Network(CONTENT, "edge", 1), mistake
        self.height, self.width = self.network.height, self.network.width

    def run(self, pixels: np.ndarray) -> list[np.ndarray]:
        heads = self.network.run(pixels[..., ::-1] if self.mistake == "channels" else pixels)
        if self.mistake == "NaN":
            heads[0][2] = np.nan
        if self.mistake == "map":
            heads[1] = heads[1][::-1]
        return heads[::-1] if self.mistake == "heads" else heads


@pytest.fixture(scope="module")
def reference() -> Network:
    return Network(CONTENT, "edge", 1)


@pytest.fixture(params=PEERS, ids=[peer.name for peer in PEERS])
def peer(request: pytest.FixtureRequest) -> Peer:
    found: Peer = request.param
    if reason := available(found):
        pytest.skip(reason)
    return found


def test_int8_is_the_same_or_rounded_otherwise(peer: Peer, reference: Network) -> None:
    images = _images(reference.height, reference.width)
    runner = load(peer, CONTENT, 1)
    found = difference(runner, reference, images)
    assert found.images == len(COLOURS)
    assert found.agreement == 1.0
    assert found.largest < 0.1
    if peer.name == "ONNX Runtime":  # the same scales, and it rounds where XNNPACK does
        assert why_different(found, "int8") == ""
    mine, other = runner.run(images[0]), reference.run(images[0])
    assert [(head.shape, head.dtype) for head in mine] == [(h.shape, h.dtype) for h in other]
    assert np.corrcoef(mine[1], other[1])[0, 1] > 0.99

    wall, used = time.perf_counter(), time.process_time()
    for _ in range(10):
        runner.run(images[0])
    wall, used = time.perf_counter() - wall, time.process_time() - used
    assert used < 1.25 * wall  # one thread was asked for


def test_float32_is_the_same(peer: Peer) -> None:
    keras = pytest.importorskip("keras")
    from skinedge.compress.convert import float32_tflite

    keras.utils.set_random_seed(1)
    layers = [
        keras.layers.Conv2D(8, 3, 2, "same", activation="relu6"),
        keras.layers.DepthwiseConv2D(3, padding="same", activation="relu6"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(7, kernel_initializer=keras.initializers.RandomNormal(stddev=9)),
    ]
    content = float32_tflite(keras.Sequential([keras.Input((32, 32, 3), 1), *layers]))
    network = Network(content, "tiny", 1)
    images = _images(32, 32)
    assert np.ptp([network.run(image)[0] for image in images]) > 0.5
    found = difference(load(peer, content, 1), network, images)
    assert found.agreement == 1.0
    assert found.largest < SAME["float32"] / 10
    assert why_different(found, "float32") == ""


@pytest.mark.parametrize("mistake", ["channels", "NaN", "heads", "map"])
def test_a_mistake_is_found(mistake: str, reference: Network) -> None:
    found = difference(Wrong(mistake), reference, _images(reference.height, reference.width))
    assert "differ" in why_different(found, "int8")


def test_without_a_mistake_nothing_is_found(reference: Network) -> None:
    found = difference(Wrong(""), reference, _images(reference.height, reference.width))
    assert found == Difference(0.0, 1.0, len(COLOURS))
    assert why_different(found, "int8") == ""


def test_the_reason_says_how_many_classes_agree() -> None:
    reason = why_different(Difference(0.01, 0.75, 8), "int8")
    assert reason == "its outputs differ; it names the same class on 6 of 8 pictures"
    assert why_different(Difference(0.002, 1.0, 8), "int8") == ""
    assert why_different(Difference(0.002, 1.0, 8), "float16") != ""


def test_what_is_missing_is_named() -> None:
    missing = replace(PEERS[0], modules=("numpy", "no_such_runtime"))
    assert available(missing) == "no_such_runtime is not installed"
    old = replace(PEERS[0], numpy=0)
    assert available(old) == f"ai-edge-litert does not work with numpy {np.__version__}"


def test_a_peer_that_fails_says_so_in_one_line() -> None:
    def fails(content: bytes, threads: int) -> peers.Infer:
        raise RuntimeError("no such operator\nat line 3")

    with pytest.raises(ModelFileError, match=r"Mine cannot run this model: no such operator$"):
        load(replace(PEERS[0], name="Mine", open=fails), CONTENT, 1)


def test_peers_come_to_the_bench(reference: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = replace(PEERS[0], name="Missing", modules=("no_such_runtime",))
    monkeypatch.setattr(peers, "PEERS", (PEERS[0], missing))
    bench = Bench(Plan(threads=(2, 1)), lambda step, items: lambda done: None)
    for name in ("one", "two"):
        subject = Subject(
            name, "f.tflite", "LiteRT 2", "cpu", "int8", "trained", "model", 192, Size(9, 8, 7)
        )
        bench.add(subject)
        peers.add_to(bench, Model(name, FILE, {1: reference}))
    assert bench.notes == ["Missing was not measured: no_such_runtime is not installed"]
    assert list(bench.peers) == [f"{name} in LiteRT without XNNPACK" for name in ("one", "two")]
    found = bench.subjects["one in LiteRT without XNNPACK"]
    assert (found.role, found.precision, found.size) == ("peer", "int8", Size(9, 8, 7))
    assert found.runtime.startswith("LiteRT without XNNPACK 2.")
    assert found.differs is not None
    assert bool(found.refused) == (found.differs > SAME["int8"])
