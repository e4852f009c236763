"""Every layout that `open_dataset` knows, and what is wrong with real-life copies of them."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import cv2
import pytest
from draw_lesion import draw
from real_data import HAM10000, ISIC_TABLES, needs_ham10000, needs_isic_tables

from skinedge.errors import DatasetError, UsageError
from skinedge.lesion import ALL, CODES, LESIONS, lesion
from skinedge.train.datasets import (
    LAYOUTS,
    LabelledImages,
    find_layout,
    merge,
    open_dataset,
    parse_dataset,
    relabel,
    where,
)
from skinedge.train.datasets.isic2019 import CLASSES as EIGHT
from skinedge.train.datasets.isic2019 import WITH_UNKNOWN as NINE
from skinedge.train.datasets.labels import KERATOSIS_OR_REST, MALIGNANCY, MELANOMA_OR_REST

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


def test_of_two_tables_the_one_that_labels_images_counts(tmp_path: Path) -> None:
    write_images(tmp_path, ["a"])
    write_table(tmp_path / "groups.csv", [("image", "lesion"), ("a", "l")])
    write_table(tmp_path / "labels.csv", [("image_id", "dx"), ("a", "nv")])
    assert open_dataset(tmp_path).name == "labels"
    write_table(tmp_path / "more.csv", [("image_id", "dx"), ("a", "mel")])
    with pytest.raises(DatasetError, match=r"both labels\.csv and more\.csv label images"):
        open_dataset(tmp_path)


STRAY = {
    "unrelated": b"day,room\nMonday,4\n",
    "empty": b"",
    "no text": b"\xff\xfe\x00\x01",
}


@pytest.mark.parametrize("content", STRAY.values(), ids=STRAY)
def test_a_stray_table_beside_class_folders_is_left_alone(content: bytes, tmp_path: Path) -> None:
    write_images(tmp_path / "mel", ["a"])
    write_images(tmp_path / "NV", ["b"])
    (tmp_path / "rota.csv").write_bytes(content)
    with pytest.warns(UserWarning, match=r"rota\.csv is not read: the folders beside it label"):
        data = open_dataset(tmp_path)
    assert [code for _, code in labelled(data)] == ["nv", "mel"]
    _, parsed = parse_dataset(tmp_path)
    assert [(p.kind, p.harmless) for p in parsed.problems] == [("stray table", True)]


@pytest.mark.parametrize("content", STRAY.values(), ids=STRAY)
def test_a_stray_table_beside_a_labelling_one_is_left_alone(content: bytes, tmp_path: Path) -> None:
    write_images(tmp_path, ["a"])
    write_table(tmp_path / "labels.csv", [("image_id", "dx"), ("a", "df")])
    (tmp_path / "rota.csv").write_bytes(content)
    assert labelled(open_dataset(tmp_path)) == [("a", "df")]


def test_a_table_that_cannot_be_read_is_named_where_nothing_else_labels(tmp_path: Path) -> None:
    write_images(tmp_path / "pictures", ["a"])
    (tmp_path / "labels.csv").write_bytes(STRAY["no text"])
    with pytest.raises(DatasetError, match=r"labels\.csv: cannot read this table"):
        open_dataset(tmp_path)
    (tmp_path / "labels.csv").write_bytes(STRAY["unrelated"])
    with pytest.raises(DatasetError, match=r"labels\.csv: no column image_id, dx"):
        open_dataset(tmp_path)


# What tables say beside the diagnosis: attributes, groups, masks.


def test_ham10000_has_attributes_and_masks(ham: Path) -> None:
    header = (*HEADER, "dx_type", "age", "sex", "localization")
    facts = {"ISIC_1": ("histo", "80.0", "male", "scalp"), "ISIC_4": ("", "", "unknown", "unknown")}
    rows = [(*row, *facts.get(row[1], ("consensus", "5.0", "female", "back"))) for row in ROWS]
    write_table(ham / "HAM10000_metadata.csv", [header, *rows])
    write_images(ham / "HAM10000_segmentations_lesion", ["ISIC_2_segmentation"], ".png")
    data = open_dataset(ham)
    assert data.images[0].attributes == {"age": "80", "sex": "male", "site": "scalp"}
    assert data.images[3].attributes == {}
    masks = ham / "HAM10000_segmentations_lesion"
    assert [image.mask for image in data.images] == [
        None,
        masks / "ISIC_2_segmentation.png",
        None,
        None,
    ]


@pytest.mark.parametrize("above", [".", "masks", "HAM10000_segmentations_lesion_tschandl"])
def test_ham10000_masks_lie_as_the_official_archive_unpacks(ham: Path, above: str) -> None:
    folder = ham / above / "HAM10000_segmentations_lesion_tschandl"
    write_images(folder, ["ISIC_2_segmentation"], ".png")
    (ham / "HAM10000_segmentations_lesion_tschandl.zip").touch()
    write_images(ham / "HAM10000_segmentations_lesion", ["ISIC_3_segmentation"], ".png")
    assert [image.mask for image in open_dataset(ham).images] == [
        None,
        folder / "ISIC_2_segmentation.png",
        ham / "HAM10000_segmentations_lesion" / "ISIC_3_segmentation.png",
        None,
    ]


def test_ham10000s_table_opens_as_its_folder_does(ham: Path) -> None:
    """Not as any table, whose images could as well be the sharp copies."""
    assert open_dataset(ham / "HAM10000_metadata.csv") == open_dataset(ham)


def test_masks_are_never_taken_for_images(tmp_path: Path) -> None:
    write_images(tmp_path / "images", ["a", "b"])
    write_images(tmp_path / "masks", ["a"], ".png")
    write_images(tmp_path / "images", ["b_Segmentation"], ".png")
    write_table(tmp_path / "labels.csv", [("image", "label"), ("a", "nv"), ("b", "mel")])
    one, other = open_dataset(tmp_path).images
    assert (one.path.parent.name, one.mask) == ("images", tmp_path / "masks" / "a.png")
    assert other.mask == tmp_path / "images" / "b_Segmentation.png"


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "large", ["a"])
    write_images(tmp_path / "small", ["a"], ".png")
    write_table(tmp_path / "labels.csv", [("image", "label"), ("a", "nv")])
    with pytest.raises(DatasetError, match=r"two files are called a: .*a\.jpg and .*a\.png; keep"):
        open_dataset(tmp_path)


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    write_images(tmp_path / "photos", ["a", "b", "c"])
    rows = [
        ("image", "label", "group", "institution", "age"),
        ("photos/a.jpg", "malignant", "P1", "Barcelona", "61"),
        ("photos/b.jpg", "Benign", "P1", "", "old"),
        ("c", "benign", "", "Vienna", "-1"),
    ]
    write_table(tmp_path / "labels.csv", rows)
    data = open_dataset(tmp_path, classes=("benign", "malignant"))
    assert find_layout(tmp_path)[0].name == "csv"
    assert (data.classes, data.group) == (("benign", "malignant"), "group")
    by_id = {image.image_id: image for image in data.images}
    assert by_id["photos/a.jpg"].path == tmp_path / "photos" / "a.jpg"
    assert by_id["c"].path == tmp_path / "photos" / "c.jpg"
    assert [image.lesion_id for image in by_id.values()] == ["c", "P1", "P1"]
    assert by_id["photos/a.jpg"].attributes == {"clinic": "Barcelona", "age": "61"}
    assert by_id["photos/b.jpg"].attributes == {"age": "old"}
    assert where(data, "clinic", "Vienna").images == (by_id["c"],)
    with pytest.raises(DatasetError, match=r"no image has clinic 'Oslo'; .*: Vienna, Barcelona"):
        where(data, "clinic", "Oslo")


def test_a_table_names_files_in_folders_below_it(tmp_path: Path) -> None:
    write_images(tmp_path / "all" / "photos", ["a", "b"])
    write_images(tmp_path / "all" / "more", ["b"])
    write_images(tmp_path / "masks", ["a_segmentation", "b_segmentation"], ".png")
    rows = [("image", "label"), ("a.jpg", " nv"), ("photos/b.jpg", "MEL ")]
    write_table(tmp_path / "labels.csv", rows)
    data = open_dataset(tmp_path)
    assert labelled(data) == [("a.jpg", "nv"), ("photos/b.jpg", "mel")]
    one, other = data.images
    photos = tmp_path / "all" / "photos"
    assert (one.path, other.path) == (photos / "a.jpg", photos / "b.jpg")
    assert one.mask == tmp_path / "masks" / "a_segmentation.png"
    assert other.mask is None  # of which b, no name says
    write_table(tmp_path / "labels.csv", [("image", "label"), ("b.jpg", "nv"), ("a.png", "nv")])
    problems = parse_dataset(tmp_path)[1].problems
    assert [(p.kind, p.subject) for p in problems] == [("ambiguous file", "b.jpg")]
    write_table(tmp_path / "labels.csv", [("image", "label"), ("a.png", "nv")])
    with pytest.raises(DatasetError, match=r"names 1 images that are not there, a\.png first"):
        open_dataset(tmp_path)


def test_classes_are_found_in_any_case_and_keep_their_own(tmp_path: Path) -> None:
    codes = ("MEL", "Nv")
    write_images(tmp_path / "folders" / "Mel", ["a"])
    write_images(tmp_path / "folders" / "NV", ["b"])
    (tmp_path / "folders" / "rota.csv").write_bytes(STRAY["unrelated"])
    with pytest.warns(UserWarning, match="rota"):
        data = open_dataset(tmp_path / "folders", codes)
    assert (data.classes, [code for _, code in labelled(data)]) == (codes, ["MEL", "Nv"])
    table = small(tmp_path / "table", [("a", "mel"), ("b", "nV")], codes)
    assert labelled(table) == [("a", "MEL"), ("b", "Nv")]


def test_isic2018_takes_lesions_from_the_groupings_beside_it(tmp_path: Path) -> None:
    write_images(tmp_path / "images", ["a", "b", "c"])
    write_table(tmp_path / "GroundTruth.csv", [ONE_HOT, *(one_hot(name, "nv") for name in "abc")])
    rows = [("image", "lesion_id", "diagnosis_confirm_type"), ("a", "L", "x"), ("b", "L", "x")]
    write_table(tmp_path / "LesionGroupings.csv", rows)
    assert [image.lesion_id for image in open_dataset(tmp_path).images] == ["L", "L", "c"]


@pytest.mark.parametrize("files", ["labels", "groupings"])
def test_one_table_may_name_images_and_the_other_their_files(files: str, tmp_path: Path) -> None:
    """Else two images of one lesion could come into two parts of a split."""
    ids = ["a", "b", "ISIC_0000001"]
    write_images(tmp_path / "images", ids)
    names = {"ids": ids, "files": [f"images/{name}.jpg" for name in ids]}
    labels, groups = names["files"], names["ids"]
    if files == "groupings":
        labels, groups = groups, labels
    write_table(tmp_path / "labels.csv", [("image", "label"), *((name, "nv") for name in labels)])
    rows = [("image", "lesion_id"), *((name, "L") for name in groups)]
    write_table(tmp_path / "groupings.csv", rows)
    assert [image.lesion_id for image in open_dataset(tmp_path).images] == ["L"] * 3


# ISIC 2017, 2019 and 2020.

HEADER_2017 = ("image_id", "melanoma", "seborrheic_keratosis")
HEADER_2019 = ("image", "MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
HEADER_2020 = (
    "image_name",
    "patient_id",
    "sex",
    "age_approx",
    "anatom_site_general_challenge",
    "diagnosis",
    "benign_malignant",
    "target",
)
ROWS_2020 = [
    ("a", "IP_1", "male", "45", "head/neck", "melanoma", "malignant", "1"),
    ("b", "IP_1", "male", "45", "torso", "lentigo NOS", "benign", "0"),
    ("c", "IP_2", "", "", "", "unknown", "benign", "0"),
    ("d", "IP_3", "female", "50", "", "nevus", "benign", "0"),
]


def hot_2019(name: str, column: str) -> tuple[str, ...]:
    return (name, *("1.0" if column == other else "0.0" for other in HEADER_2019[1:]))


def test_isic2017(tmp_path: Path) -> None:
    write_images(tmp_path / "images", ["a", "b", "c"])
    rows = [HEADER_2017, ("a", "0.0", "0.0"), ("b", "1.0", "0.0"), ("c", "0.0", "1.0")]
    write_table(tmp_path / "ISIC-2017_Training_Part3_GroundTruth.csv", rows)
    rows = [("image_id", "age_approximate", "sex"), ("a", "55", "female"), ("b", "unknown", "")]
    write_table(tmp_path / "ISIC-2017_Training_Data_metadata.csv", rows)
    assert find_layout(tmp_path)[0].name == "isic2017"
    data = open_dataset(tmp_path)
    assert data.classes == ("mel", "sk", "nv")
    assert labelled(data) == [("a", "nv"), ("b", "mel"), ("c", "sk")]
    assert [dict(image.attributes) for image in data.images] == [
        {"sex": "female", "age": "55"},
        {},
        {},
    ]
    melanoma = relabel(data, MELANOMA_OR_REST, ("mel", "rest"))
    assert labelled(melanoma) == [("a", "rest"), ("b", "mel"), ("c", "rest")]
    keratosis = relabel(data, KERATOSIS_OR_REST, ("sk", "rest"))
    assert keratosis.labels().tolist() == [1, 1, 0]


@pytest.mark.parametrize("unknown", [False, True])
def test_isic2019_one_hot(tmp_path: Path, unknown: bool) -> None:
    write_images(tmp_path / "images", ["a", "b_downsampled", "c"])
    rows = [HEADER_2019, hot_2019("a", "SCC"), hot_2019("b_downsampled", "SCC")]
    rows += [hot_2019("c", "UNK" if unknown else "AK")]
    write_table(tmp_path / "ISIC_2019_Training_GroundTruth.csv", rows)
    rows = [
        ("image", "age_approx", "anatom_site_general", "lesion_id", "sex"),
        ("a", "55.0", "anterior torso", "BCN_1", "female"),
        ("b_downsampled", "55.0", "", "BCN_1", "female"),
        ("c", "", "", "", ""),
    ]
    write_table(tmp_path / "ISIC_2019_Training_Metadata.csv", rows)
    assert find_layout(tmp_path)[0].name == "isic2019"
    data = open_dataset(tmp_path)
    assert data.classes == (NINE if unknown else EIGHT)
    last = "unk" if unknown else "ak"
    assert labelled(data) == [("a", "scc"), ("b_downsampled", "scc"), ("c", last)]
    assert [image.lesion_id for image in data.images] == ["BCN_1", "BCN_1", "c"]
    assert data.group == "lesion"
    assert data.images[0].attributes == {"sex": "female", "age": "55", "site": "anterior torso"}


def test_isic2019_with_a_diagnosis_column_and_unknown_patients(tmp_path: Path) -> None:
    write_images(tmp_path, ["a", "b"])
    rows = [("a", "-1", "male", "55.0", "", " BCC", "malignant", "0")]
    rows += [("b", "-1", "male", "55.0", "", "NV", "benign", "0")]
    write_table(tmp_path / "train.csv", [HEADER_2020, *rows])
    assert find_layout(tmp_path)[0].name == "isic2019"
    data = open_dataset(tmp_path)
    assert labelled(data) == [("a", "bcc"), ("b", "nv")]
    assert ([image.lesion_id for image in data.images], data.group) == (["a", "b"], "lesion")


@pytest.mark.parametrize("more", [(), ("tfrecord", "width", "height"), ("attribution",)])
def test_isic2020(tmp_path: Path, more: tuple[str, ...]) -> None:
    write_images(tmp_path / "jpeg", "abcd")
    rows = [(*HEADER_2020, *more), *((*row, *("7" for _ in more)) for row in ROWS_2020)]
    write_table(tmp_path / "train.csv", rows)
    assert find_layout(tmp_path)[0].name == "isic2020"
    data = open_dataset(tmp_path)
    assert (data.classes, data.group) == (NINE, "patient")
    assert labelled(data) == [("a", "mel"), ("b", "bkl"), ("c", "unk"), ("d", "nv")]
    assert [image.lesion_id for image in data.images] == ["IP_1", "IP_1", "IP_2", "IP_3"]
    clinic = {"clinic": "7"} if "attribution" in more else {}
    assert data.images[0].attributes == {"sex": "male", "age": "45", "site": "head/neck"} | clinic
    assert data.images[2].attributes == clinic
    binary = open_dataset(tmp_path, layout="isic2020-target")
    assert (binary.classes, binary.group) == (("benign", "malignant"), "patient")
    assert binary.labels().tolist() == [1, 0, 0, 0]


def test_clinics_stand_in_a_table_of_their_own(tmp_path: Path) -> None:
    """ISIC's archive gives one, with its own diagnoses: they and its groups are not taken."""
    write_images(tmp_path / "jpeg", "abcd")
    write_table(tmp_path / "train.csv", [HEADER_2020, *ROWS_2020])
    header = ("isic_id", "attribution", "diagnosis", "lesion_id")
    write_table(tmp_path / "metadata.csv", [header, ("a", "MSKCC", "nevus", "L1")])
    data = open_dataset(tmp_path)
    assert where(data, "clinic", "MSKCC").images == data.images[:1]
    assert labelled(data)[0] == ("a", "mel")
    assert data.images[0].lesion_id == "IP_1"


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([HEADER_2017, ("a", "yes", "0.0")], "a: could not convert string to float: 'yes'"),
        ([HEADER_2017, ("a", "0.5", "0.0")], "a has 0.5 where 0 or 1 belongs"),
        ([HEADER_2017, ("a", "1.0", "1.0")], "a has 2 diagnoses, it must have one"),
        ([HEADER_2017[1:], ("0", "0")], "no column image_id; it has: melanoma"),
        ([HEADER_2017], "has no rows"),
        ([HEADER_2019[:5], ("a", "1", "0", "0", "0")], "no column BKL, DF, SCC, VASC; it has"),
        ([HEADER_2019, ("a", "1", "1", *"0000000")], "a has 2 diagnoses"),
        ([HEADER_2019, ("a", *"000000000")], "a has 0 diagnoses"),
        ([HEADER_2019, ("a", *"10000000", "?")], "a: could not convert string to float: '[?]'"),
        ([HEADER_2020, ("a", "p", "", "", "", "wart", "benign", "0")], "a has diagnosis 'wart'"),
        ([HEADER_2020, ("a", "p", "", "", "", "nevus", "benign", "no")], "a: could not convert"),
        ([HEADER_2020, ("a", "p", "", "", "", "nevus", "benign", "1")], "target 1 but is called"),
        ([HEADER_2020, ("a", "p", "", "", "", "nevus", "", "1")], "target 1 but diagnosis 'nevus'"),
        ([HEADER_2020, ("a", "p")], "line 2 has fewer fields"),
        (
            [("image_name", "diagnosis", "target"), ("a", "nevus", "0")],
            "no column patient_id; it has: image_name",
        ),
        ([("image_name", "diagnosis"), ("a", "NV"), ("b", "wart")], "b has diagnosis 'wart'"),
    ],
)
def test_broken_tables_of_other_years_are_refused(
    tmp_path: Path, rows: list[tuple[str, ...]], match: str
) -> None:
    write_images(tmp_path, ["a"])
    write_table(tmp_path / "labels.csv", rows)
    with pytest.raises(DatasetError, match=match) as caught:
        open_dataset(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'labels.csv'}: ")
    assert "\n" not in str(caught.value)


def test_a_layout_can_be_named(tmp_path: Path) -> None:
    write_images(tmp_path / "nv", ["a"])
    write_table(tmp_path / "labels.csv", [("image_id", "dx"), ("a", "df")])
    assert labelled(open_dataset(tmp_path, layout="csv")) == [("a", "df")]
    assert [code for _, code in labelled(open_dataset(tmp_path, layout="folder"))] == ["nv"]
    with pytest.raises(DatasetError, match="no column melanoma, seborrheic_keratosis"):
        open_dataset(tmp_path, layout="isic2017")
    with pytest.raises(DatasetError, match="no column image, AKIEC"):
        open_dataset(tmp_path, layout="isic2018")
    with pytest.raises(UsageError, match="unknown layout 'isic'; there are: ham10000, isic2017, "):
        open_dataset(tmp_path, layout="isic")
    with pytest.raises(DatasetError, match="holds no table of ISIC 2018 Task 3"):
        open_dataset(tmp_path / "nv", layout="isic2018")
    assert all(name == layout.name for name, layout in LAYOUTS.items())


def test_parsing_goes_on_after_a_problem(tmp_path: Path) -> None:
    rows = [("image_id", "dx"), ("a", "wart"), ("b", "nv"), ("c",), ("d", "mole")]
    write_images(tmp_path, ["b"])
    write_table(tmp_path / "labels.csv", rows)
    parsed = parse_dataset(tmp_path)[1]
    assert labelled(parsed.data) == [("b", "nv")]
    assert Counter(p.kind for p in parsed.problems) == {"unknown diagnosis": 2, "bad row": 1}


# Label maps, diagnoses.


def small(root: Path, rows: list[tuple[str, str]], classes: tuple[str, ...]) -> LabelledImages:
    write_images(root, [name for name, _ in rows])
    write_table(root / "labels.csv", [("image_id", "dx"), *rows])
    return open_dataset(root, classes)


def test_label_maps(tmp_path: Path) -> None:
    data = small(tmp_path, [("a", "mel"), ("b", "bkl"), ("c", "akiec"), ("d", "nv")], CODES)
    binary = relabel(data, MALIGNANCY, ("benign", "malignant"))
    assert binary.labels().tolist() == [1, 0, 1, 0]
    nine = relabel(data, {"akiec": "ak"}, NINE)
    assert labelled(nine) == [("a", "mel"), ("b", "bkl"), ("c", "ak"), ("d", "nv")]
    fewer = relabel(data, {"bkl": None, "akiec": None}, ("nv", "mel"))
    assert labelled(fewer) == [("a", "mel"), ("d", "nv")]
    with pytest.raises(UsageError, match="bkl becomes bkl, which is none of nv, mel; leave"):
        relabel(data, {"akiec": None}, ("nv", "mel"))
    with pytest.raises(DatasetError, match="leaves no image"):
        relabel(data, dict.fromkeys(CODES), ("nv",))


def test_every_diagnosis_is_in_one_table() -> None:
    assert [ALL[code] for code in CODES] == list(LESIONS)
    assert all(lesion(code).code == code for code in {*EIGHT, *NINE, "sk", "rest", "benign"})
    assert {code for code in ALL if lesion(code).malignant} == {
        "ak",
        "akiec",
        "bcc",
        "malignant",
        "mel",
        "scc",
    }
    with pytest.raises(UsageError, match="unknown diagnosis 'wart'; there are: ak, akiec, bcc"):
        lesion("wart")


# Real tables, where they are at hand.


@needs_ham10000
def test_the_real_ham10000() -> None:
    data = open_dataset(HAM10000)
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
    assert sum("age" in image.attributes for image in data.images) == 9_958
    assert sum("site" in image.attributes for image in data.images) == 9_781


@needs_isic_tables
def test_the_real_isic2019_table() -> None:
    layout, parsed = parse_dataset(ISIC_TABLES / "isic2019_train.csv")
    assert (layout.name, parsed.problems, parsed.data.group) == ("isic2019", (), "lesion")
    assert Counter(code for _, code in labelled(parsed.data)) == {
        "nv": 12_875,
        "mel": 4_522,
        "bcc": 3_323,
        "bkl": 2_624,
        "ak": 867,
        "scc": 628,
        "vasc": 253,
        "df": 239,
    }
    assert len(parsed.data.groups()) == 25_331


@needs_isic_tables
def test_the_real_isic2020_table_and_both_together() -> None:
    layout, parsed = parse_dataset(ISIC_TABLES / "isic2020_train.csv")
    data = parsed.data
    assert (layout.name, parsed.problems, data.group) == ("isic2020", (), "patient")
    assert Counter(code for _, code in labelled(data)) == {
        "unk": 27_126,
        "nv": 5_193,
        "mel": 584,
        "bkl": 223,
    }
    assert len(data.groups()) == 2_056
    binary = parse_dataset(ISIC_TABLES / "isic2020_train.csv", layout="isic2020-target")[1]
    assert (binary.problems, binary.data.labels().sum()) == ((), 584)
    other = parse_dataset(ISIC_TABLES / "isic2019_train.csv")[1].data
    both = merge(other, data)
    assert (len(both.images), len(both.groups())) == (58_457, 27_387)
