"""Several sets as one: every image once, every group whole, disagreement refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import cv2
import pytest
from real_data import HAM10000, ISIC_TABLES, needs_ham10000, needs_isic_tables

from skinedge.errors import DatasetError, UsageError
from skinedge.train.datasets import (
    LabelledImage,
    LabelledImages,
    merge,
    open_dataset,
    parse_dataset,
)
from skinedge.train.datasets.labels import MALIGNANCY, TO_ISIC2019
from skinedge.train.datasets.merging import shared
from skinedge.train.partition import Partition

Row = tuple[int, str, str]


def made_up(
    name: str, rows: list[Row], classes: tuple[str, ...] = ("mel", "nv"), group: str = "lesion"
) -> LabelledImages:
    """Images by ISIC number, diagnosis and group."""
    images = (
        LabelledImage(f"ISIC_{number:07d}", Path(name, str(number)), classes.index(code), lesion)
        for number, code, lesion in rows
    )
    return LabelledImages(name, classes, tuple(images), group)


def named(data: LabelledImages) -> dict[str, list[int]]:
    """Image numbers by group."""
    groups = data.groups().items()
    return {name: [int(i.image_id[5:]) for i in images] for name, images in groups}


def test_sets_without_a_common_image() -> None:
    one = made_up("one", [(3, "nv", "a"), (1, "mel", "b")])
    other = made_up("other", [(2, "bcc", "c"), (4, "nv", "a")], ("bcc", "nv"))
    both = merge(one, other)
    assert (both.name, both.classes, both.group) == ("one + other", ("mel", "nv", "bcc"), "lesion")
    assert [both.classes[i.label] for i in both.images] == ["mel", "bcc", "nv", "nv"]
    assert named(both) == {"b": [1], "c": [2], "a": [3, 4]}


def test_an_image_in_both_is_taken_once_with_all_that_is_known_of_it() -> None:
    one = made_up("one", [(1, "nv", "a")])
    other = made_up("other", [(1, "nv", "a")])
    mask, sharp = Path("mask"), Path("sharp")
    facts = {"sex": "male", "age": "40"}
    one = one.having([LabelledImage("ISIC_0000001", Path("1"), 1, "a", sharp, None, facts)])
    facts = {"sex": "female", "site": "back"}
    other = other.having([LabelledImage("ISIC_0000001", Path("2"), 1, "a", None, mask, facts)])
    [image] = merge(one, other).images
    assert (image.path, image.sharp, image.mask) == (Path("1"), sharp, mask)
    assert image.attributes == {"sex": "male", "age": "40", "site": "back"}


def test_groups_that_share_an_image_become_one_whatever_the_order() -> None:
    """No lesion of either set can be parted by what the other does not know."""
    sets = (
        made_up("lesions", [(1, "nv", "L1"), (2, "nv", "L1"), (3, "mel", "L2")]),
        made_up("alone", [(2, "nv", "ISIC_2"), (4, "nv", "ISIC_4"), (3, "mel", "ISIC_3")]),
        made_up("more", [(4, "nv", "M"), (2, "nv", "M"), (5, "nv", "M"), (6, "mel", "N")]),
    )
    expected = {"ISIC_2": [1, 2, 4, 5], "ISIC_3": [3], "N": [6]}
    for one, two, three in permutations(sets):
        assert named(merge(merge(one, two), three)) == expected


def test_a_patient_joins_the_lesions_of_the_other_set() -> None:
    lesions = made_up("2019", [(1, "nv", "L1"), (2, "nv", "L1"), (3, "mel", "L2"), (9, "nv", "L3")])
    patients = made_up("2020", [(2, "nv", "IP_1"), (3, "mel", "IP_1")], group="patient")
    for both in (merge(lesions, patients), merge(patients, lesions)):
        assert both.group == "patient"
        assert named(both) == {"IP_1": [1, 2, 3], "L3": [9]}


def test_a_downsampled_copy_is_the_same_image() -> None:
    """ISIC 2019 has it so; ISIC 2017 has it in full size."""
    full = made_up("2017", [(17, "nv", "ISIC_0000017"), (18, "nv", "ISIC_0000018")])
    [small] = made_up("2019", [(17, "nv", "L1")]).images
    small = replace(small, image_id="ISIC_0000017_downsampled")
    for both in (merge(full, full.having([small])), merge(full.having([small]), full)):
        assert len(both.images) == 2
        assert sorted(both.groups()) == ["ISIC_0000017", "ISIC_0000018"]


def resized_copies(ham: LabelledImages, root: Path, suffix: str = ".png") -> Path:
    """The images, smaller and in another format, in a folder for each class."""
    for image in ham.images:
        folder = root / ham.classes[image.label]
        folder.mkdir(parents=True, exist_ok=True)
        small = cv2.resize(cv2.imread(str(image.path)), (48, 36))
        assert cv2.imwrite(str(folder / f"{image.image_id}{suffix}"), small)
    return root


def test_resized_copies_in_class_folders_are_the_same_pictures(
    ham10000: Path, tmp_path: Path
) -> None:
    ham = open_dataset(ham10000)
    copies = open_dataset(resized_copies(ham, tmp_path / "copies"))
    assert copies.images[0].image_id.endswith(".png")
    for both in (merge(ham, copies), merge(copies, ham)):
        assert len(both.images) == 147
        assert both.groups().keys() == ham.groups().keys()
        assert Partition()(both).digest() == Partition()(ham).digest()


def test_a_table_that_names_files_has_the_same_pictures(ham10000: Path, tmp_path: Path) -> None:
    ham = open_dataset(ham10000)
    resized_copies(ham, tmp_path / "photos")
    rows = [f"{i.image_id}.png,{ham.classes[i.label]}" for i in ham.images]
    (tmp_path / "labels.csv").write_text("\n".join(["image,label", *rows]) + "\n")
    both = merge(open_dataset(tmp_path), ham)
    assert (len(both.images), both.groups().keys()) == (147, ham.groups().keys())


def test_a_set_that_has_a_picture_twice_is_refused(tmp_path: Path) -> None:
    for file in ("mel/ISIC_0000001.jpg", "nv/ISIC_0000001_downsampled.jpg"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).touch()
    message = "names ISIC_0000001 twice, as mel/ISIC_0000001.jpg and as nv/"
    with pytest.raises(DatasetError, match=message):
        open_dataset(tmp_path)


def test_an_empty_set_adds_nothing_but_its_classes() -> None:
    one, none = made_up("one", [(1, "nv", "a")]), made_up("none", [], ("bcc", "nv"))
    for both in (merge(one, none), merge(none, one)):
        assert named(both) == {"a": [1]}
        assert set(both.classes) == {"mel", "nv", "bcc"}


def test_disagreement_is_refused() -> None:
    one = made_up("one", [(1, "nv", "a"), (2, "nv", "b"), (3, "mel", "c")])
    other = made_up("other", [(1, "mel", "a"), (2, "mel", "b"), (3, "mel", "c")])
    message = (
        r"ISIC_0000001 is in one and in other, as nv and as mel; leave it .* \(2 such in all\)"
    )
    with pytest.raises(DatasetError, match=message):
        merge(one, other)
    kinds = [(problem.subject, problem.harmless) for problem in shared(one, other, {})][:3]
    assert kinds == [("ISIC_0000001", False), ("ISIC_0000002", False), ("ISIC_0000003", True)]
    assert len(merge(one, other, dict.fromkeys(("nv", "mel"), "rest")).images) == 3


def test_one_name_for_two_lesions_is_refused() -> None:
    one, other = made_up("one", [(1, "nv", "17")]), made_up("other", [(2, "mel", "17")])
    with pytest.raises(DatasetError, match="one and other call lesions of different diagnoses 17"):
        merge(one, other)
    patients = made_up("other", [(2, "mel", "17")], group="patient")
    assert named(merge(one, patients)) == {"17": [1, 2]}


def test_a_cameras_names_are_the_same_picture_only_where_the_files_are(tmp_path: Path) -> None:
    def clinic(name: str, content: bytes) -> LabelledImages:
        file = tmp_path / name / "IMG_1.jpg"
        file.parent.mkdir()
        file.write_bytes(content)
        return LabelledImages(name, ("nv",), (LabelledImage("IMG_1", file, 0, "IMG_1"),))

    here, copy, there = clinic("here", b"1"), clinic("copy", b"1"), clinic("there", b"2")
    assert len(merge(here, copy).images) == 1
    with pytest.raises(DatasetError, match="IMG_1 is in here and in there, and is not the same"):
        merge(here, there)


def clinics(tmp_path: Path, ham10000: Path) -> list[Path]:
    """The drawn set as two: images of one lesion lie in both."""
    lines = (ham10000 / "HAM10000_metadata.csv").read_text().splitlines()
    folders = []
    for number in (0, 1):
        folder = tmp_path / f"clinic{number}"
        folder.mkdir()
        for part in sorted(ham10000.glob("HAM10000_images_*")):
            (folder / part.name).symlink_to(part)
        kept = [lines[0], *lines[1 + number :: 2]]
        (folder / "HAM10000_metadata.csv").write_text("\n".join(kept) + "\n")
        folders.append(folder)
    return folders


def test_a_partition_opens_several_as_it_opens_the_whole(ham10000: Path, tmp_path: Path) -> None:
    one, other = clinics(tmp_path, ham10000)
    partition = Partition()
    split = partition(partition.open(one, other))
    assert split.digest() == partition(partition.open(ham10000)).digest()
    assert split.digest() == partition(partition.open(other, one, one)).digest()


def test_layouts_are_one_for_all_or_one_for_each(ham10000: Path) -> None:
    for layout in ("ham10000", "ham10000,", ",ham10000"):
        assert len(Partition(layout=layout).open(ham10000, ham10000).images) == 147
    with pytest.raises(UsageError, match="1 datasets and 2 layouts: name one for each"):
        Partition(layout="ham10000,csv").open(ham10000)


# Real tables, where they are at hand.


@needs_isic_tables
def test_the_real_isic2019_and_isic2020_share_no_name_and_fold_together() -> None:
    tables = (ISIC_TABLES / f"isic{year}_train.csv" for year in (2019, 2020))
    one, other = (parse_dataset(table)[1].data for table in tables)
    assert not list(shared(one, other, {}))
    both = merge(one, other)
    assert (len(both.images), len(both.groups()), both.group) == (58_457, 27_387, "patient")
    split = Partition("isic2019", folds=5, fold=1)(both)
    train, validation, test = (set(part.groups()) for part in split.parts().values())
    assert not train & validation
    assert not test & (train | validation)


@needs_isic_tables
@needs_ham10000
def test_the_real_ham10000_gives_isic2019_its_lesions() -> None:
    ham = parse_dataset(HAM10000)[1].data
    other = parse_dataset(ISIC_TABLES / "isic2019_train.csv")[1].data
    both = merge(ham, other, MALIGNANCY)
    assert (len(both.images), len(both.groups())) == (25_331, 25_331 - 10_015 + 7_470)
    # What HAM10000 calls akiec, ISIC 2019 calls ak or scc.
    wrong = [problem for problem in shared(ham, other, TO_ISIC2019) if not problem.harmless]
    assert len(wrong) == 197
    assert all("as akiec and as scc" in problem.text for problem in wrong)
