"""A tiny model goes the whole way: Keras -> int8 file -> the edge library, with real converters."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import flatbuffers
import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from draw_lesion import draw
from scipy.special import softmax
from tiny import TINY

from skinedge import Classifier
from skinedge.benchmarks.bench import Plan
from skinedge.benchmarks.suite import benchmark
from skinedge.compress.card import card as card_of
from skinedge.compress.metadata_schema_py_generated import ModelMetadataT
from skinedge.compress.pipeline import Compressed, compress, training_pixels
from skinedge.compress.quantize import int8_tflite
from skinedge.compress.recipe import Compression, Limits, parse
from skinedge.compress.restore import float32_form, restore
from skinedge.errors import RunError
from skinedge.image import to_input
from skinedge.model_file import read_model
from skinedge.train import fit, runs
from skinedge.train.batches import load_pixels, normalise
from skinedge.train.datasets import open_dataset, split_by_lesion
from skinedge.train.zoo.attention import FLOAT_IN_INT8
from skinedge.train.zoo.build import build
from skinedge.train.zoo.weights import load_imagenet


@pytest.fixture(scope="module")
def run(ham10000: Path, tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    split = split_by_lesion(open_dataset(ham10000), seed=1)
    return fit.train(TINY, split, tmp_path_factory.mktemp("runs") / "tiny", seed=1)


# A network after two epochs on drawn pictures answers by a hair: what matters here is the file.
LENIENT = Limits(1, 1, 1, 1, 0, 1, 0, -1, 0, 1)
INT8 = replace(parse("int8"), representative=32, refit=200, limits=LENIENT)


def squeeze(run: runs.Run, data: Path, out: Path, how: Compression = INT8) -> Compressed:
    return compress(run, open_dataset(data), out, how)


@pytest.fixture(scope="module")
def exported(run: runs.Run, ham10000: Path, tmp_path_factory: pytest.TempPathFactory) -> Compressed:
    return squeeze(run, ham10000, tmp_path_factory.mktemp("compressed"))


def _interpreter(path: Path) -> Interpreter:
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def test_pixels_are_the_input(exported: Compressed) -> None:
    detail = _interpreter(exported.file).get_input_details()[0]
    assert detail["name"] == "pixels"
    assert detail["dtype"] is np.uint8
    assert detail["shape"].tolist() == [1, 64, 64, 3]
    assert detail["quantization"] == (1 / 128, 127)


def test_heads_come_in_order_and_by_name(exported: Compressed) -> None:
    for path in (exported.file, exported.float32):
        heads = [(d["name"], d["shape"].tolist()) for d in _interpreter(path).get_output_details()]
        assert heads == [("probabilities", [1, 7]), ("attention", [1, 4])]


def test_one_delegate_partition(exported: Compressed) -> None:
    assert Classifier.load(exported.file).network.delegate_partitions() == 1
    assert Classifier.load(exported.float32).network.delegate_partitions() == 1


def test_weights_are_int8_per_channel(exported: Compressed) -> None:
    details = _interpreter(exported.file).get_tensor_details()
    kernels = [
        d
        for d in details
        if d["dtype"] is np.int8
        and len(d["shape"]) == 4
        and d["shape"][1] < 6
        and len(d["quantization_parameters"]["scales"]) > 1
    ]
    assert len(kernels) >= 49  # every convolution of Lite0


def test_float_file_equals_keras(run: runs.Run, exported: Compressed) -> None:
    model = runs.load(run)
    pixels = to_input(draw(7, 72, 96), 64, 64)
    logits, attention = (np.asarray(o)[0] for o in model(normalise(pixels[None])))
    expected = np.exp(logits) / np.exp(logits).sum()
    prediction = Classifier.load(exported.float32).predict(pixels)
    by_code = {label.code: label.probability for label in prediction.labels}
    np.testing.assert_allclose([by_code[c] for c in TINY.spec.classes], expected, atol=1e-5)
    assert prediction.attention is not None
    np.testing.assert_allclose(prediction.attention.ravel(), attention / attention.max(), atol=1e-4)


def test_int8_follows_float(exported: Compressed) -> None:
    int8, full = Classifier.load(exported.file), Classifier.load(exported.float32)
    for seed in range(5):
        picture = draw(seed, 72, 96)
        ours = {label.code: label.probability for label in int8.predict(picture).labels}
        theirs = {label.code: label.probability for label in full.predict(picture).labels}
        assert max(abs(ours[code] - theirs[code]) for code in ours) < 0.1


def test_the_file_explains_itself(exported: Compressed, run: runs.Run) -> None:
    card = read_model(exported.file).card
    assert card is not None
    assert card["recipe_sha256"] == TINY.digest() == run.describe()["recipe_sha256"]
    assert [rule["target"] for rule in card["thresholds"]] == ["mel", "malignant"]
    assert all(rule["sensitivity"] >= 0.95 for rule in card["thresholds"])
    assert card["metrics"]["split"] == "test"
    assert set(card["float32_metrics"]) == set(card["metrics"])
    assert card["attention"] == {"block": "soft", "height": 2, "width": 2}
    assert card["quantization"]["image_split"] == "train"
    assert card["compression"]["name"] == "int8"
    (biases,) = card["compression"]["did"].values()
    assert biases["images"] == INT8.bias
    assert card["quantization"]["bias_images"] == (INT8.bias if biases["kept"] else 0)
    assert card["oldest_tflite"] == "2.16"


def test_biases_that_stayed_are_not_called_corrected(run: runs.Run) -> None:
    model, about = runs.load(run), run.describe()
    for kept, images in ((False, 0), (True, 64)):
        did = {"biases": {"images": 64, "kept": kept, "summary": ""}}
        assert card_of(model, about, INT8, did)["quantization"]["bias_images"] == images


def test_standard_clients_find_names_and_labels(exported: Compressed) -> None:
    with zipfile.ZipFile(exported.file) as archive:
        assert archive.read("labels.txt").decode().split() == list(TINY.spec.classes)
        assert len(archive.read("attention_labels.txt").decode().splitlines()) == 4
    model = schema.ModelT.InitFromPackedBuf(exported.file.read_bytes(), 0)
    (entry,) = [e for e in model.metadata if e.name == b"TFLITE_METADATA"]
    metadata = ModelMetadataT.InitFromPackedBuf(bytes(model.buffers[entry.buffer].data), 0)
    graph = metadata.subgraphMetadata[0]
    unit = graph.inputTensorMetadata[0].processUnits[0].options
    assert (unit.mean, unit.std) == ([127.0], [128.0])
    files = [t.associatedFiles[0].name for t in graph.outputTensorMetadata]
    assert files == [b"labels.txt", b"attention_labels.txt"]


def test_equal_vectors_are_written_once(exported: Compressed) -> None:
    """Above all the zero points of every channel, all zero: they take no room."""
    content = exported.file.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    plain = flatbuffers.Builder(len(content))
    plain.Finish(model.Pack(plain), b"TFL3")
    channels = sum(
        len(tensor.quantization.zeroPoint)
        for tensor in model.subgraphs[0].tensors
        if tensor.quantization is not None and tensor.quantization.zeroPoint is not None
    )
    with zipfile.ZipFile(exported.file) as archive:
        flatbuffer_bytes = json.loads(archive.read("skinedge.json"))["flatbuffer_bytes"]
    assert channels > 10_000
    assert flatbuffer_bytes < len(plain.Output()) - 7 * channels


def test_the_same_run_gives_the_same_bytes(
    exported: Compressed, run: runs.Run, ham10000: Path, tmp_path: Path
) -> None:
    again = squeeze(run, ham10000, tmp_path)
    assert again.file.read_bytes() == exported.file.read_bytes()
    assert again.float32.read_bytes() == exported.float32.read_bytes()


@pytest.mark.parametrize("precision", ["float16", "dynamic", "int16x8", "int4"])
def test_every_precision_runs_and_follows_float(
    precision: str, exported: Compressed, run: runs.Run, ham10000: Path, tmp_path: Path
) -> None:
    how = replace(parse(precision), representative=32, limits=replace(LENIENT, partitions=None))
    done = squeeze(run, ham10000, tmp_path, how)
    assert done.file.name == f"tiny-{precision}.tflite"
    assert done.file.stat().st_size < 0.55 * done.float32.stat().st_size
    # Four cells, and sixteen steps for a weight: int4 has little to follow with.
    assert done.test.attention_correlation >= (0.3 if precision == "int4" else 0.9)
    card = read_model(done.file).card
    assert card is not None
    weights = {"float16": "float16", "int4": "int4"}.get(precision, "int8")
    assert card["quantization"]["weights"].startswith(weights)


def test_a_changed_network_is_kept_and_taken_up_again(
    run: runs.Run, ham10000: Path, tmp_path: Path
) -> None:
    how = replace(parse("slim60-int8").with_epochs(1), representative=32, refit=0, limits=LENIENT)
    said: list[str] = []

    def progress(step: str, items: int) -> Callable[[int], None]:
        said.append(step)
        return lambda done: None

    first = compress(run, open_dataset(ham10000), tmp_path, how, progress)
    assert first.file.name == "tiny-slim60-int8.tflite"
    (model,) = (tmp_path / "steps").glob("slim60-*.keras")
    written = model.stat().st_mtime_ns
    assert not any("taken from" in step for step in said)
    again = compress(run, open_dataset(ham10000), tmp_path, how, progress)
    assert any("taken from" in step for step in said)
    assert model.stat().st_mtime_ns == written
    assert again.file.read_bytes() == first.file.read_bytes()
    assert first.card["compression"]["did"]["slim60"]["summary"] == first.steps["slim60"]["summary"]
    assert first.file.stat().st_size < 0.8 * (first.float32.stat().st_size / 4)

    back = restore(read_model(first.file), [ham10000], tmp_path / "back")
    assert back.describe()["changed"].keys() == {"slim60"}
    small = keras.models.load_model(model, compile=False)
    assert runs.load(back).count_params() == small.count_params() < runs.load(run).count_params()
    # What is on record is the whole network's.
    form = float32_form(read_model(first.file)).card
    assert form
    assert form["metrics"] is None


def test_a_file_becomes_a_run_again(
    exported: Compressed, run: runs.Run, ham10000: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "again"
    again = restore(read_model(exported.file), [ham10000], folder)
    assert again.describe()["recipe_sha256"] == run.describe()["recipe_sha256"]
    assert again.describe()["start"].startswith("file ")
    runs.split_of(again, open_dataset(ham10000))  # refuses another split
    pixels = normalise(np.stack([to_input(draw(i, 72, 96), 64, 64) for i in range(8)]))
    before, after = (runs.load(of).predict(pixels)[0] for of in (run, again))
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.9
    with pytest.raises(RunError, match="not empty"):
        restore(read_model(exported.file), [ham10000], folder)


def test_a_benchmark_asks_the_float_model_too(
    run: runs.Run, exported: Compressed, ham10000: Path
) -> None:
    plan = Plan(
        models=(exported.file,),
        data=(ham10000,),
        baseline=str(run.folder),
        threads=(1,),
        runs=2,
        published=False,
    )
    report = benchmark(plan, lambda step, items: lambda done: None, lambda report: None)
    by_role = {subject.role: subject for subject in report.subjects}
    baseline = by_role["baseline"]
    assert baseline.weights == "trained"
    assert baseline.accuracy is not None
    assert not baseline.accuracy.recorded
    assert {c.against for c in report.changes} == {"tiny-int8-float32", baseline.name}
    [beside] = [saving for saving in report.savings if saving.against == baseline.name]
    assert beside.beside.endswith("threads")
    own = next(s for s in report.subjects if s.name == "tiny-int8-float32 in Keras")
    assert own.role == "peer"
    assert own.refused == ""
    assert own.differs is not None
    assert own.differs < 1e-3
    assert own.latency[0].inference.runs == 2


def test_balanced_images_take_each_class_in_turn(ham10000: Path) -> None:
    train = split_by_lesion(open_dataset(ham10000), seed=1).train
    known = {
        load_pixels([image], 32).tobytes(): int(label)
        for image, label in zip(train.images, train.labels(), strict=True)
    }
    pixels = training_pixels(train, 1, 32, "balanced")(7)
    assert sorted(known[picture.tobytes()] for picture in pixels) == list(range(7))
    assert np.array_equal(pixels, training_pixels(train, 1, 32, "balanced")(20)[:7])


def test_another_dataset_is_refused(run: runs.Run, ham10000: Path, tmp_path: Path) -> None:
    description = json.loads(run.description.read_text())
    other = tmp_path / "other"
    other.mkdir()
    (other / "run.json").write_text(json.dumps({**description, "split_sha256": "0" * 64}))
    (other / "model.keras").write_bytes(run.model.read_bytes())
    with pytest.raises(RunError, match="another split"):
        squeeze(runs.Run(other), ham10000, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _map_and_its_logits(flatbuffer: bytes, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The map a file returns `[h*w]`, and the head logits inside it `[heads, h*w]`."""
    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    codes = [code.builtinCode for code in model.operatorCodes]
    first = next(
        operator
        for operator in model.subgraphs[0].operators
        if codes[operator.opcodeIndex] == schema.BuiltinOperator.SOFTMAX
    )
    interpreter = Interpreter(model_content=flatbuffer, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[None])
    interpreter.invoke()
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}

    def read(index: int) -> np.ndarray:
        scale, zero = details[index]["quantization"]
        return (interpreter.get_tensor(index)[0].astype(float) - zero) * (scale or 1)

    (head,) = [d["index"] for d in interpreter.get_output_details() if d["shape"][1] > 7]
    return read(head), read(int(first.inputs[0]))


def _softmax_types(flatbuffer: bytes) -> list[int]:
    """Tensor types that the softmax operators write, in graph order."""
    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    graph = model.subgraphs[0]
    codes = [code.builtinCode for code in model.operatorCodes]
    softmaxes = [
        operator
        for operator in graph.operators
        if codes[operator.opcodeIndex] == schema.BuiltinOperator.SOFTMAX
    ]
    return [graph.tensors[operator.outputs[0]].type for operator in softmaxes]


@pytest.mark.parametrize("size", [224, 448])
def test_the_map_does_not_drown_in_the_softmax(size: int) -> None:
    """At 7x7 and 14x14 positions, with the nearly uniform maps of an untrained block."""
    keras.utils.set_random_seed(0)
    model = build(replace(TINY.spec, input_size=size), keras)
    load_imagenet(model, "efficientnet-lite0")
    pictures = np.stack([to_input(draw(seed, 180, 240), size, size) for seed in range(5)])
    float_type, int8_type = schema.TensorType.FLOAT32, schema.TensorType.INT8
    correlations = {}
    for layers in (FLOAT_IN_INT8, ""):
        flatbuffer = int8_tflite(model, pictures[:4], layers)
        attention_type = float_type if layers else int8_type
        assert _softmax_types(flatbuffer) == [attention_type, int8_type]
        attention, logits = _map_and_its_logits(flatbuffer, pictures[4])
        exact = softmax(logits, axis=1).mean(axis=0)
        correlations[layers] = np.corrcoef(attention, exact)[0, 1]
    assert correlations[FLOAT_IN_INT8] >= 0.95
    assert correlations[FLOAT_IN_INT8] > correlations[""]
