"""`skinedge data check`: everything that is wrong, said at once."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from skinedge.edge_cli import data as command
from skinedge.errors import DatasetError
from skinedge.train.datasets import open_dataset, split_by_lesion, write_split
from skinedge.train.datasets.check import check_readable


def check(*arguments: object) -> Result:
    app = typer.Typer()
    app.add_typer(command.app, name="data")
    app.command("other")(lambda: None)
    return CliRunner().invoke(app, ["data", "check", *map(str, arguments)])


def found(*arguments: object) -> dict[str, Any]:
    return json.loads(check(*arguments, "--json").stdout.splitlines()[-1])


def kinds(answer: dict[str, Any]) -> dict[str, int]:
    return dict(Counter(problem["kind"] for problem in answer["problems"]))


def write_table(path: Path, rows: Iterable[Iterable[object]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture
def ham(ham10000: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return shutil.copytree(ham10000, tmp_path / "ham")


def rows_of(ham: Path) -> list[list[str]]:
    with open(ham / "HAM10000_metadata.csv", newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_a_whole_set_passes(ham10000: Path) -> None:
    answer = check(ham10000)
    assert answer.exit_code == 0, answer.output
    assert f"{ham10000}: HAM10000 (ham10000)" in answer.stdout
    assert "147 images of 98 lesions; 56 with a sharper copy, 0 with a mask" in answer.stdout
    assert "akiec          21       14  actinic keratosis" in answer.stdout
    assert "203 files read by their header\nnothing is wrong\n" in answer.stdout


def test_json_counts_everything(ham: Path) -> None:
    rows = rows_of(ham)
    facts = [("age", "sex")] + [("40.0", "male"), ("45", "")] * 73 + [("50", "female")]
    write_table(ham / "HAM10000_metadata.csv", [[*a, *b] for a, b in zip(rows, facts, strict=True)])
    masks = ham / "HAM10000_segmentations_lesion"
    masks.mkdir()
    shutil.copy(
        next((ham / "HAM10000_images_sharp").iterdir()), masks / "ISIC_0000005_segmentation.jpg"
    )
    answer = found(ham, "--decode")
    assert (answer["layout"], answer["images"], answer["groups"]) == ("ham10000", 147, 98)
    assert (answer["masks"], answer["sharp"], answer["decoded"]) == (1, 56, True)
    assert answer["files"] == 204
    assert answer["classes"]["mel"] == {"images": 21, "groups": 14, "diagnosis": "melanoma"}
    assert answer["attributes"] == {
        "age": {"images": 147, "values": {"40": 73, "45": 73, "50": 1}},
        "sex": {"images": 74, "values": {"male": 73, "female": 1}},
    }
    assert answer["problems"] == []
    text = check(ham).stdout
    assert "age           147  40 to 50" in text
    assert "sex            74  male 73, female 1" in text


def test_every_problem_is_found_at_once(ham: Path) -> None:
    rows = rows_of(ham)
    rows[1][2] = "wart"
    rows[3][2] = "mel" if rows[3][2] != "mel" else "nv"  # of a lesion seen twice
    rows.append(rows[10])
    rows += [["HAM_X", f"ISIC_X{number}", "nv"] for number in range(7)]
    rows.append(["HAM_Y", "ISIC_Y"])
    write_table(ham / "HAM10000_metadata.csv", rows)
    parts = [ham / "HAM10000_images_part_1", ham / "HAM10000_images_part_2"]
    (parts[0] / "ISIC_0000004.jpg").write_bytes(b"no image")
    shutil.copy(parts[0] / "ISIC_0000006.jpg", parts[0] / "ISIC_0000120.jpg")
    answer = found(ham)
    assert kinds(answer) == {
        "unknown diagnosis": 1,
        "bad row": 1,
        "named twice": 1,
        "several diagnoses": 1,
        "missing": 7,
        "duplicate": 1,
        "unreadable": 1,
    }
    human = check(ham)
    assert human.exit_code == 2
    assert "missing: 7\n" in human.stdout
    assert "and 2 more; --json names all" in human.stdout
    assert "nothing is wrong" not in human.stdout
    with pytest.raises(DatasetError, match="line 157 has fewer fields"):
        open_dataset(ham)


def test_only_decoding_finds_a_file_that_is_cut_short(ham: Path) -> None:
    picture = ham / "HAM10000_images_part_2" / "ISIC_0000001.jpg"
    picture.write_bytes(picture.read_bytes()[:-200])
    assert check(ham).exit_code == 0
    answer = check(ham, "--decode")
    assert answer.exit_code == 2
    assert "ISIC_0000001.jpg: is cut short or damaged: the JPEG has no end" in answer.stdout
    assert "files" in answer.stderr  # its progress bar


def test_identical_images_of_one_lesion_are_harmless(ham: Path) -> None:
    """HAM10000 itself has two pairs of them."""
    rows = rows_of(ham)
    first, second = next((a, b) for a, b in pairwise(rows) if a[0] == b[0])
    paths = {path.stem: path for path in ham.glob("HAM10000_images_part_*/*.jpg")}
    shutil.copy(paths[first[1]], paths[second[1]])
    answer = check(ham)
    assert answer.exit_code == 0
    assert "duplicate (harmless): 1" in answer.stdout
    assert f"{first[1]} and {second[1]} are the same file, of one lesion" in answer.stdout


def test_a_split_that_lesions_cross(ham10000: Path, tmp_path: Path) -> None:
    file = tmp_path / "split.csv"
    write_split(file, split_by_lesion(open_dataset(ham10000), seed=1))
    assert check(ham10000, "--split-file", file).exit_code == 0
    with open(file, newline="", encoding="utf-8") as opened:
        rows = list(csv.reader(opened))
    # An image of a training lesion is tested with, under another lesion's name.
    crossing = next(a for a, b in pairwise(rows) if a[1] == b[1])
    lesion = crossing[1]
    crossing[1], crossing[3] = "HAM_new", "test"
    write_table(file, [*rows, ["ISIC_foreign", "HAM_foreign", "nv", "train"]])
    answer = found(ham10000, "--split-file", file)
    assert kinds(answer) == {"crosses the split": 1, "not in the set": 1}
    assert f"lesion {lesion} is in test and train" in answer["problems"][1]["text"]


def test_patients_may_have_several_diagnoses(ham10000: Path, tmp_path: Path) -> None:
    for number in range(2):
        shutil.copy(
            ham10000 / f"HAM10000_images_part_{number + 1}" / f"ISIC_000000{number}.jpg", tmp_path
        )
    header = ("image_name", "patient_id", "diagnosis", "benign_malignant", "target")
    rows = [("ISIC_0000000", "IP_1", "melanoma", "malignant", "1")]
    rows += [("ISIC_0000001", "IP_1", "nevus", "benign", "0")]
    write_table(tmp_path / "train.csv", [header, *rows])
    answer = check(tmp_path)
    assert answer.exit_code == 0, answer.output
    assert "ISIC 2020 by diagnosis (isic2020)\n  2 images of 1 patients" in answer.stdout
    binary = found(tmp_path, "--layout", "isic2020-target")
    assert binary["classes"]["malignant"]["images"] == 1


def test_classes_of_ones_own(ham10000: Path, tmp_path: Path) -> None:
    shutil.copytree(ham10000 / "HAM10000_images_part_1", tmp_path / "benign")
    shutil.copytree(ham10000 / "HAM10000_images_part_2", tmp_path / "odd")
    assert kinds(found(tmp_path)) == {"unknown diagnosis": 2}
    assert kinds(found(tmp_path, "--classes", "benign, odd")) == {}
    answer = found(tmp_path, "--classes", "benign,odd")
    assert answer["classes"]["odd"]["diagnosis"] == ""
    assert answer["untrained"] == ["odd"]
    assert "train refuses odd: no recipe" in check(tmp_path, "--classes", "benign,odd").stdout


def test_classes_in_capitals(ham10000: Path, tmp_path: Path) -> None:
    shutil.copytree(ham10000 / "HAM10000_images_part_1", tmp_path / "Benign")
    shutil.copytree(ham10000 / "HAM10000_images_part_2", tmp_path / "MALIGNANT")
    answer = found(tmp_path, "--classes", "Benign,Malignant")
    assert (answer["problems"], answer["untrained"]) == ([], [])
    malignant = answer["classes"]["Malignant"]
    assert (malignant["images"], malignant["diagnosis"]) == (73, "malignant lesion")


def test_a_set_with_nothing_usable_stops_no_check(ham10000: Path, tmp_path: Path) -> None:
    write_table(tmp_path / "labels.csv", [("image_id", "dx"), ("a", "wart"), ("b", "mole")])
    for sets in ((ham10000, tmp_path), (tmp_path, ham10000)):
        answer = found(*sets)
        assert kinds(answer) == {"unknown diagnosis": 2}
        assert answer["images"] == 147
    assert found(tmp_path)["images"] == 0
    assert "unknown diagnosis: 4" in check(tmp_path, tmp_path).stdout


def test_a_split_file_has_the_names_of_either_set(ham10000: Path, tmp_path: Path) -> None:
    (tmp_path / "set" / "mel").mkdir(parents=True)
    data = open_dataset(ham10000)
    image = next(image for image in data.images if data.classes[image.label] == "mel")
    shutil.copy(image.path, tmp_path / "set" / "mel")
    write_split(tmp_path / "split.csv", split_by_lesion(data, seed=1))
    for sets in ((ham10000, tmp_path / "set"), (tmp_path / "set", ham10000)):
        assert kinds(found(*sets, "--split-file", tmp_path / "split.csv")) == {"in both sets": 1}


def test_several_sets_are_looked_at_as_one(ham: Path, ham10000: Path) -> None:
    rows = rows_of(ham)
    rows[3][2] = "mel" if rows[3][2] != "mel" else "nv"
    write_table(ham / "HAM10000_metadata.csv", [rows[0], *rows[3:9:3], *rows[20:23]])
    answer = found(ham10000, ham)
    assert (answer["images"], answer["layout"]) == (147, "ham10000 + ham10000")
    assert answer["path"] == f"{ham10000} + {ham}"
    assert kinds(answer) == {"several diagnoses": 1, "in both sets": 4}
    assert check(ham10000, ham).exit_code == 2
    again = check(ham10000, ham10000, "--layout", "ham10000")
    assert again.exit_code == 0, again.output
    assert "in both sets (harmless): 147" in again.stdout
    refused = check(ham10000, "--layout", "ham10000", "--layout", "csv")
    assert "1 sets and 2 layouts" in str(refused.exception)


def test_nothing_to_check_is_one_error(tmp_path: Path) -> None:
    answer = check(tmp_path / "absent")
    assert isinstance(answer.exception, DatasetError)
    assert "does not exist" in str(answer.exception)


def test_a_training_looks_at_headers_first(ham: Path) -> None:
    """What it reads must be there; what it only tests on may be left out."""
    split = split_by_lesion(open_dataset(ham), seed=1)
    assert check_readable(split) == []
    split.test.images[0].sharpest.write_bytes(b"no picture")
    [line] = check_readable(split)
    assert line.startswith(f"{split.test.images[0].sharpest}: ")
    split.validation.images[0].sharpest.write_bytes(b"no picture")
    split.train.images[0].path.write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"\(2 such in all\); mend it, or leave it out"):
        check_readable(split)
