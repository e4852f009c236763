"""Model files: damaged ones are refused in one line, whole ones explain themselves."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from skinedge import Classifier, ModelFileError
from skinedge.model_file import CARD, EMBEDDED, read_labels, read_model
from skinedge.runtime import Network


def test_embedded_model_explains_itself() -> None:
    file = read_model()
    assert file.card is not None
    assert len(file.content) <= 6_000_000
    assert [label.code for label in file.labels if label.malignant] == ["akiec", "bcc", "mel"]
    assert file.card["training"]["dataset"] == "HAM10000"
    assert "CC BY-NC" in file.card["licence"]
    assert {rule["target"] for rule in file.card["thresholds"]} == {"mel", "malignant"}
    assert all(rule["sensitivity"] >= 0.95 for rule in file.card["thresholds"])
    for metrics in (file.card["metrics"], file.card["float32_metrics"]):
        assert metrics["split"] == "test"
        assert 0.5 < metrics["macro_auroc"] <= 1


def test_embedded_model_is_one_delegate_partition() -> None:
    assert Classifier.load().network.delegate_partitions() == 1


def _zip_cut(content: bytes) -> bytes:
    return content[:-40]


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def _with_card(content: bytes, card: object) -> bytes:
    own = read_model().card
    assert own is not None
    whole = io.BytesIO(content[: own["flatbuffer_bytes"]])
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr(CARD, json.dumps(card))
    return whole.getvalue()


def _card_beyond_the_end(content: bytes) -> bytes:
    """The archive says that its card is longer than the file."""
    entry = content.rindex(b"PK\x01\x02")
    return content[: entry + 20] + b"\0\0\0\x0f" * 2 + content[entry + 28 :]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[: len(content) // 2], "damaged, or without skinedge.json"),
        (_zip_cut, "damaged, or without skinedge.json"),
        (_flipped, "checksum does not match"),
        (_card_beyond_the_end, "its skinedge.json is damaged"),
        (lambda content: _with_card(content, {"schema": 99}), "schema 99"),
        (lambda content: _with_card(content, {"schema": 1}), "lacks attention"),
        (lambda content: _with_card(content, [1]), "not a JSON object"),
        (lambda content: b"", "not a TensorFlow Lite model"),
        (lambda content: b"\x89PNG" + content, "not a TensorFlow Lite model"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, damage: object, message: str) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(damage(EMBEDDED.read_bytes()))  # type: ignore[operator]
    with pytest.raises(ModelFileError, match=message) as caught:
        read_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_half_a_file_does_not_crash_the_interpreter(tmp_path: Path) -> None:
    half = EMBEDDED.read_bytes()[:2_000_000]
    with pytest.raises(ModelFileError, match=r"half\.tflite.*copy or export it again"):
        Network(half, "half.tflite")


def test_missing_model_and_labels() -> None:
    with pytest.raises(ModelFileError, match=r"nowhere\.tflite: cannot read this model"):
        read_model("nowhere.tflite")
    with pytest.raises(ModelFileError, match=r"nowhere\.txt: cannot read these labels"):
        read_labels("nowhere.txt")


def test_empty_labels(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("\n \n")
    with pytest.raises(ModelFileError, match="holds no labels"):
        read_labels(tmp_path / "labels.txt")


def test_a_byte_order_mark_is_no_label(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(b"\xef\xbb\xbfbenign\r\nmalignant\r\n")
    assert [label.code for label in read_labels(tmp_path / "labels.txt")] == ["benign", "malignant"]
