"""Classifier: every kind of image in, a consistent Prediction out."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from draw_lesion import draw

from skinedge import Classifier, ImageError, ModelFileError
from skinedge.image import read
from skinedge.lesion import CODES
from skinedge.model_file import ClassLabel, ModelFile


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(threads=1)


def _by_code(classifier: Classifier, image: object) -> dict[str, float]:
    prediction = classifier.predict(image)  # type: ignore[arg-type]
    return {label.code: label.probability for label in prediction.labels}


def test_path_bytes_and_array_agree(classifier: Classifier, lesion: Path) -> None:
    expected = _by_code(classifier, lesion)
    assert _by_code(classifier, str(lesion)) == expected
    assert _by_code(classifier, lesion.read_bytes()) == expected
    assert _by_code(classifier, read(lesion)) == expected


def test_prediction_is_consistent(classifier: Classifier, lesion: Path) -> None:
    prediction = classifier.predict(lesion)
    probabilities = [label.probability for label in prediction.labels]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1)
    assert {label.code for label in prediction.labels} == set(CODES)
    malignant = sum(label.probability for label in prediction.labels if label.malignant)
    assert prediction.malignant_probability == pytest.approx(malignant)
    assert prediction.top is prediction.labels[0]
    assert prediction.attention is not None
    assert prediction.attention.shape == classifier.file.map_shape
    assert prediction.attention.min() >= 0
    assert prediction.attention.max() == 1
    scores = {"mel": _by_code(classifier, lesion)["mel"], "malignant": malignant}
    assert [decision.target for decision in prediction.decisions] == ["mel", "malignant"]
    for decision in prediction.decisions:
        assert decision.score == pytest.approx(scores[decision.target])
        assert decision.positive == (decision.score >= decision.threshold)
    assert prediction.timings.total_ms > prediction.timings.inference_ms > 0


def test_pictures_differ(classifier: Classifier) -> None:
    """A model that ignores its input would pass every check of form."""
    dark = draw(1, 192, 192, (30, 20, 20), ragged=0.9)
    red = draw(0, 192, 192, (200, 30, 40), ragged=0.9)
    answers = [_by_code(classifier, picture) for picture in (dark, red)]
    difference = np.array([answers[0][code] - answers[1][code] for code in CODES])
    assert np.abs(difference).max() > 0.5


def test_prediction_is_frozen_and_turns_into_json(classifier: Classifier, lesion: Path) -> None:
    prediction = classifier.predict(lesion, name="mine")
    with pytest.raises(AttributeError):
        prediction.source = "other"  # type: ignore[misc]
    values = json.loads(json.dumps(prediction.to_json(top=2)))
    assert values["source"] == "mine"
    assert len(values["labels"]) == 2
    assert np.shape(values["attention"]) == classifier.file.map_shape


def test_predict_many_goes_on_after_a_bad_image(classifier: Classifier, lesion: Path) -> None:
    bad = lesion.with_name("bad.jpg")
    bad.write_text("text")
    failures: list[object] = []
    images = [lesion, bad, read(lesion)]
    answers = list(classifier.predict_many(images, lambda image, error: failures.append(image)))
    assert [answer.source for answer in answers] == [str(lesion), "<array>"]
    assert failures == [bad]
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        list(classifier.predict_many(images))


def test_more_threads_give_the_same_answer(classifier: Classifier, lesion: Path) -> None:
    assert _by_code(Classifier.load(threads=3), lesion) == _by_code(classifier, lesion)


def test_labels_must_fit_the_model(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\n")
    content = Classifier.load().file.content
    bare = tmp_path / "bare.tflite"
    bare.write_bytes(content[: Classifier.load().file.card["flatbuffer_bytes"]])  # type: ignore[index]
    with pytest.raises(ModelFileError, match="7 classes but 2 labels"):
        Classifier.load(bare, labels=labels)
    labels.write_text("\n".join(CODES))
    prediction = Classifier.load(bare, labels=labels).predict(np.zeros((8, 8, 3), np.uint8))
    assert prediction.malignant_probability is None
    assert prediction.decisions == ()
    assert prediction.attention is None


class _Outputs:
    """A network that answers every image with the same numbers."""

    height, width = 8, 8

    def __init__(self, numbers: list[float], scale: float = 0.0) -> None:
        self.numbers, self.classes = np.array(numbers, np.float32), len(numbers)
        self.quantization = ((scale, 0),)

    def run(self, *_: object) -> list[np.ndarray]:
        return [self.numbers]


def _answer(numbers: list[float], scale: float = 0.0) -> list[float]:
    labels = tuple(ClassLabel(str(n), str(n), None) for n in range(len(numbers)))
    file = ModelFile(Path("other.tflite"), b"", labels, None)
    classifier = Classifier(file, _Outputs(numbers, scale))  # type: ignore[arg-type]
    prediction = classifier.predict(np.zeros((8, 8, 3), np.uint8))
    return [label.probability for label in prediction.labels]


@pytest.mark.parametrize(
    "numbers",
    [
        [0.1, -0.2, 1.1],
        [0.0, 0.0, 0.0],
        [0.5, 0.6, 0.4],
        [0.4, 0.3, 0.27],
        [float("nan"), 0.5, 0.5],
        [float("inf"), 0.5, 0.5],
    ],
)
def test_numbers_that_are_no_probabilities_are_refused(numbers: list[float]) -> None:
    with pytest.raises(
        ModelFileError, match=r"other\.tflite: outputs are no probabilities"
    ) as error:
        _answer(numbers)
    assert str(error.value).endswith("end the model with a softmax")


def test_quantized_probabilities_may_be_rounded() -> None:
    assert _answer([0.625, 0.375]) == [0.625, 0.375]
    assert _answer([0.6, 0.39]) == pytest.approx([0.6 / 0.99, 0.39 / 0.99])
    coarse = 1 / 16
    assert _answer([0.625, 0.375, 0.0625], coarse) == pytest.approx([10 / 17, 6 / 17, 1 / 17])
    assert _answer([1.0, -coarse / 2], coarse) == [1.0, 0.0]
    with pytest.raises(ModelFileError, match=r"sum to 1\.25"):
        _answer([1.0, 0.25], coarse)


def test_one_number_is_no_classifier() -> None:
    with pytest.raises(ModelFileError, match=r"other\.tflite: returns a single number"):
        _answer([1.0])


def test_camera_sized_and_tiny_images_work(classifier: Classifier) -> None:
    for shape in ((1, 1), (2000, 3), (1080, 1920)):
        picture = cv2.resize(draw(2, 64, 64), shape[::-1])
        assert classifier.predict(picture).top.probability > 0
