"""Every layout that `open_dataset` knows, and what is wrong with real-life copies of them."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import cv2
import pytest
from draw_lesion import draw

from skinedge.errors import DatasetError
from skinedge.lesion import CODES
from skinedge.train.datasets import LabelledImages, open_dataset

ROWS = [
    ("HAM_2", "ISIC_3", "mel"),
    ("HAM_1", "ISIC_1", "nv"),
    ("HAM_2", "ISIC_2", "mel"),
    ("HAM_3", "ISIC_4", "vasc"),
]
ONE_HOT = ("image", "MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")


def write_images(folder: Path, names: Iterable[str], suffix: str = ".jpg") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        assert cv2.imwrite(str(folder / f"{name}{suffix}"), draw(seed, 24, 32)[..., ::-1])


def write_table(path: Path, rows: Iterable[Iterable[object]], encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows(rows)


def one_hot(name: str, code: str) -> tuple[str, ...]:
    return (name, *("1.0" if column == code.upper() else "0.0" for column in ONE_HOT[1:]))


def labelled(data: LabelledImages) -> list[tuple[str, str]]:
    return [(image.image_id, data.classes[image.label]) for image in data.images]


HEADER = ("lesion_id", "image_id", "dx")


@pytest.fixture
def ham(tmp_path: Path) -> Path:
    """Four images of three lesions in HAM10000's layout; ISIC_2 has a sharp copy."""
    root = tmp_path / "ham"
    write_images(root / "HAM10000_images_part_1", ["ISIC_1", "ISIC_2"])
    write_images(root / "HAM10000_images_part_2", ["ISIC_3", "ISIC_4"])
    write_images(root / "HAM10000_images_sharp", ["ISIC_2"])
    write_table(root / "HAM10000_metadata.csv", [HEADER, *ROWS])
    return root


def test_ham10000(ham: Path) -> None:
    data = open_dataset(ham)
    assert (data.name, data.classes) == ("HAM10000", CODES)
    assert labelled(data) == [
        ("ISIC_1", "nv"),
        ("ISIC_2", "mel"),
        ("ISIC_3", "mel"),
        ("ISIC_4", "vasc"),
    ]
    assert [image.lesion_id for image in data.images] == ["HAM_1", "HAM_2", "HAM_2", "HAM_3"]
    assert data.labels().tolist() == [5, 4, 4, 6]
    assert [bool(image.sharp) for image in data.images] == [False, True, False, False]
    sharp = data.images[1]
    assert sharp.path == ham / "HAM10000_images_part_1" / "ISIC_2.jpg"
    assert sharp.sharpest == ham / "HAM10000_images_sharp" / "ISIC_2.jpg"
    assert data.images[2].sharpest == ham / "HAM10000_images_part_2" / "ISIC_3.jpg"


def test_the_drawn_set_of_other_tests(ham10000: Path) -> None:
    data = open_dataset(ham10000)
    assert len(data.images) == 147
    assert Counter(code for _, code in labelled(data)) == dict.fromkeys(CODES, 21)
    assert len({image.lesion_id for image in data.images}) == 98


def test_ham10000_beside_its_table_and_in_lower_case_folders(tmp_path: Path) -> None:
    write_images(tmp_path, ["ISIC_1", "ISIC_2"])
    write_images(tmp_path / "ham10000_images_part_1", ["ISIC_3", "ISIC_4"])
    write_table(tmp_path / "HAM10000_metadata.csv", [HEADER, *ROWS])
    assert len(open_dataset(tmp_path).images) == 4


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_tables_from_spreadsheets_open(ham: Path, encoding: str) -> None:
    """A byte order mark, other columns, another column order, capitals."""
    rows = [("image_id", "age", "dx", "lesion_id")]
    rows += [(image, "40.0", dx.upper(), lesion) for lesion, image, dx in ROWS]
    write_table(ham / "HAM10000_metadata.csv", rows, encoding)
    assert labelled(open_dataset(ham))[:2] == [("ISIC_1", "nv"), ("ISIC_2", "mel")]


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([("lesion_id", "image_id"), ("HAM_1", "ISIC_1")], "no column dx; it has: lesion_id"),
        ([("dx",), ("nv",)], "no column lesion_id, image_id; it has: dx"),
        ([], "no column lesion_id, image_id, dx; it has: none"),
        ([HEADER], "has no rows"),
        ([HEADER, ("HAM_1", "ISIC_1", "wart")], "ISIC_1 has diagnosis 'wart', not one of"),
        ([HEADER, ("HAM_1", "ISIC_1", "")], "ISIC_1 has diagnosis ''"),
        ([HEADER, ROWS[0], ("HAM_1", "ISIC_1")], "line 3 has fewer fields"),
        ([HEADER, ROWS[0], ("HAM_2", "ISIC_1", "nv")], "lesion HAM_2 has two diagnoses"),
        (
            [HEADER, *ROWS, ("HAM_8", "ISIC_8", "nv"), ("HAM_9", "ISIC_9", "nv")],
            "names 2 images that are not there, ISIC_8 first; unpack",
        ),
    ],
)
def test_broken_ham10000_tables_are_refused(
    ham: Path, rows: list[tuple[str, ...]], match: str
) -> None:
    table = ham / "HAM10000_metadata.csv"
    write_table(table, rows)
    with pytest.raises(DatasetError, match=match) as caught:
        open_dataset(ham)
    assert str(caught.value).startswith(f"{table}: ")
    assert "\n" not in str(caught.value)


def test_a_table_that_is_no_text_is_refused(ham: Path) -> None:
    (ham / "HAM10000_metadata.csv").write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)))
    with pytest.raises(DatasetError, match=r"HAM10000_metadata\.csv: cannot read this table"):
        open_dataset(ham)


@pytest.mark.parametrize("give", ["folder", "table"])
@pytest.mark.parametrize(
    "rows",
    [
        [("image_id", "dx"), ("b", "bcc"), ("a", "df")],
        [("image_id", "dx", "age"), ("b", "BCC", "1"), ("a", "df", "")],
        [ONE_HOT, one_hot("b", "bcc"), one_hot("a", "df")],
    ],
    ids=["dx", "dx and more", "one-hot"],
)
def test_isic2018(rows: list[tuple[str, ...]], give: str, tmp_path: Path) -> None:
    root = tmp_path / "isic"
    write_images(root, ["a"], ".png")
    write_images(root / "images" / "deep", ["b"], ".JPG")
    table = root / "GroundTruth.csv"
    write_table(table, rows)
    data = open_dataset(root if give == "folder" else table)
    assert data.name == "GroundTruth"
    assert labelled(data) == [("a", "df"), ("b", "bcc")]
    assert [image.path for image in data.images] == [
        root / "a.png",
        root / "images" / "deep" / "b.JPG",
    ]
    assert [image.lesion_id for image in data.images] == ["a", "b"]


def test_isic2018_keeps_lesions_where_the_table_names_them(tmp_path: Path) -> None:
    write_images(tmp_path, ["a", "b", "c"])
    rows = [("image_id", "dx", "lesion_id"), ("a", "nv", "L1"), ("b", "nv", "L1"), ("c", "df", "")]
    write_table(tmp_path / "labels.csv", rows)
    assert [image.lesion_id for image in open_dataset(tmp_path).images] == ["L1", "L1", "c"]


TWO_HOT = ("a", "1.0", "1.0", *["0.0"] * 5)


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([("image", "MEL", "NV"), ("a", "1", "0")], "no column AKIEC, BCC, BKL, DF, VASC; it has"),
        ([("name", "label"), ("a", "nv")], "no column image_id, dx; it has: name, label"),
        ([ONE_HOT, TWO_HOT], "a has 2 diagnoses, it must have one"),
        ([ONE_HOT, one_hot("a", "none")], "a has 0 diagnoses"),
        ([ONE_HOT, ("a", "yes", *["0"] * 6)], "a: could not convert string to float: 'yes'"),
        ([ONE_HOT, ("a", "1.0")], "line 2 has fewer fields"),
        ([("image_id", "dx"), ("a", "mole")], "a has diagnosis 'mole', not one of"),
        ([("image_id", "dx"), ("a", "nv"), ("z", "nv")], "names 1 images .* z first"),
        ([("image_id", "dx")], "has no rows"),
    ],
)
def test_broken_isic2018_tables_are_refused(
    tmp_path: Path, rows: list[tuple[str, ...]], match: str
) -> None:
    write_images(tmp_path, ["a"])
    write_table(tmp_path / "labels.csv", rows)
    with pytest.raises(DatasetError, match=match) as caught:
        open_dataset(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / "labels.csv"))


def test_class_folders(tmp_path: Path) -> None:
    root = tmp_path / "clinic"
    write_images(root / "mel", ["a", "b"])
    write_images(root / "NV" / "2024", ["a"], ".png")
    (root / "notes").mkdir()
    (root / "notes" / "read.txt").write_text("no images here")
    data = open_dataset(root)
    assert (data.name, data.classes) == ("clinic", CODES)
    files = [str(Path("NV", "2024", "a.png")), str(Path("mel", "a.jpg")), str(Path("mel", "b.jpg"))]
    assert labelled(data) == list(zip(files, ["nv", "mel", "mel"], strict=True))
    assert [image.path for image in data.images] == [root / file for file in files]
    assert len({image.lesion_id for image in data.images}) == 3


def test_class_folders_of_another_model(tmp_path: Path) -> None:
    write_images(tmp_path / "malignant", ["a"])
    data = open_dataset(tmp_path, classes=("benign", "malignant"))
    assert data.classes == ("benign", "malignant")
    assert data.labels().tolist() == [1]
    with pytest.raises(DatasetError, match=r"malignant: not a class of this model; .*akiec, bcc"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("inside", ["nothing", "loose images", "empty class folder"])
def test_a_folder_without_labelled_images_is_refused(inside: str, tmp_path: Path) -> None:
    if inside == "loose images":
        write_images(tmp_path, ["a"])
    elif inside == "empty class folder":
        (tmp_path / "mel").mkdir()
    with pytest.raises(DatasetError, match=f"{tmp_path}: no labelled images; give HAM10000's"):
        open_dataset(tmp_path)


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="absent: does not exist; give the folder"):
        open_dataset(tmp_path / "absent")


@pytest.mark.parametrize("layouts", [("ham", "isic", "classes"), ("isic", "classes"), ("classes",)])
def test_the_most_specific_layout_wins(layouts: tuple[str, ...], tmp_path: Path) -> None:
    write_images(tmp_path / "vasc", ["a"])
    if "isic" in layouts:
        write_table(tmp_path / "labels.csv", [("image_id", "dx"), ("a", "df")])
    if "ham" in layouts:
        write_images(tmp_path, ["a"])
        write_table(tmp_path / "HAM10000_metadata.csv", [HEADER, ("HAM_1", "a", "bcc")])
    data = open_dataset(tmp_path)
    expected = {"ham": "bcc", "isic": "df", "classes": "vasc"}
    assert data.classes[data.images[0].label] == expected[layouts[0]]


REAL = Path(
    os.environ.get("SKINEDGE_DATA", Path(__file__).parents[3] / "shared" / "data" / "ham10000")
)


@pytest.mark.skipif(
    not (REAL / "HAM10000_metadata.csv").is_file(),
    reason="HAM10000 is not here; set SKINEDGE_DATA to its folder",
)
def test_the_real_ham10000() -> None:
    data = open_dataset(REAL)
    assert len(data.images) == 10_015
    assert len({image.lesion_id for image in data.images}) == 7_470
    # Tschandl et al. 2018, table 3.
    assert Counter(code for _, code in labelled(data)) == {
        "akiec": 327,
        "bcc": 514,
        "bkl": 1099,
        "df": 115,
        "mel": 1113,
        "nv": 6705,
        "vasc": 142,
    }


def test_of_two_tables_the_one_that_labels_images_counts(tmp_path: Path) -> None:
    write_images(tmp_path, ["a"])
    write_table(tmp_path / "groups.csv", [("image", "lesion"), ("a", "l")])
    write_table(tmp_path / "labels.csv", [("image_id", "dx"), ("a", "nv")])
    assert open_dataset(tmp_path).name == "labels"
    write_table(tmp_path / "more.csv", [("image_id", "dx"), ("a", "mel")])
    with pytest.raises(DatasetError, match=r"both labels\.csv and more\.csv label images"):
        open_dataset(tmp_path)
