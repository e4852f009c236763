"""The command line: answers, exit codes, one-line errors, nothing half-written."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from draw_lesion import draw

from skinedge import DISCLAIMER, Classifier
from skinedge.edge_cli.loading import load_classifier
from skinedge.edge_cli.main import run
from skinedge.lesion import CODES
from skinedge.model_file import EMBEDDED, read_model

ENORMOUS_PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
    + (50_000).to_bytes(4, "big") * 2
    + b"\x08\x02\x00\x00\x00"
    + b"\x00" * 4
)


class Answer:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def skinedge(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    def call(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["skinedge", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            run()
        captured = capfd.readouterr()
        return Answer(int(end.value.code or 0), captured.out, captured.err)

    return call


def test_predict_prints_for_people(skinedge, lesion: Path) -> None:
    answer = skinedge("predict", lesion)
    assert answer.code == 0
    assert all(code in answer.out for code in CODES)
    assert "mel: " in answer.out
    assert "its threshold" in answer.out
    assert answer.out.count(DISCLAIMER) == 1
    assert answer.err == ""


def test_predict_json_is_one_object_a_line(skinedge, lesion: Path) -> None:
    answer = skinedge("predict", lesion, lesion, "--json", "--top", 2)
    rows = [json.loads(line) for line in answer.out.splitlines()]
    assert [row["source"] for row in rows] == [str(lesion)] * 2
    assert len(rows[0]["labels"]) == 2
    assert DISCLAIMER in answer.err


def test_folders_globs_and_stdin(skinedge, lesion: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.jpg", "a.bmp"):
        cv2.imwrite(str(lesion.with_name(name)), draw(1, 60, 80))
    lesion.with_name("notes.txt").write_text("no image")

    def sources(*arguments: object) -> list[str]:
        answer = skinedge("predict", "--json", *arguments)
        assert answer.code == 0
        return [Path(json.loads(line)["source"]).name for line in answer.out.splitlines()]

    assert sources(lesion.parent) == ["a.bmp", "b.jpg", "lesion.png"]
    assert sources(lesion.parent / "*.[bj]*") == ["a.bmp", "b.jpg"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lesion.read_bytes())))
    assert sources("-") == ["<stdin>"]


def test_heatmap_has_the_size_of_the_image(skinedge, lesion: Path, tmp_path: Path) -> None:
    assert skinedge("predict", lesion, "--heatmap", tmp_path / "new" / "map.png").code == 0
    picture = cv2.imread(str(tmp_path / "new" / "map.png"))
    assert picture.shape == cv2.imread(str(lesion)).shape
    assert np.abs(picture.astype(int) - cv2.imread(str(lesion))).max() > 50
    other = lesion.with_name("other.png")
    other.write_bytes(lesion.read_bytes())
    assert skinedge("predict", lesion, other, "--heatmap", tmp_path / "maps").code == 0
    written = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert written == ["lesion-attention.png", "other-attention.png"]


def _bad_image(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.jpg"
    jpeg = cv2.imencode(".jpg", draw(0, 60, 80))[1].tobytes()
    content = {
        "zero-bytes": b"",
        "text": b"this is no picture\n",
        "truncated": jpeg[: len(jpeg) // 2],
        "enormous": ENORMOUS_PNG,
    }
    if kind in content:
        path.write_bytes(content[kind])
    return path


@pytest.mark.parametrize("kind", ["missing", "zero-bytes", "text", "truncated", "enormous"])
def test_a_bad_image_is_one_line_and_the_others_are_answered(
    kind: str, skinedge, lesion: Path, tmp_path: Path
) -> None:
    bad = _bad_image(kind, tmp_path)
    answer = skinedge("predict", bad, lesion, "--heatmap", tmp_path / "maps")
    assert answer.code == 2
    assert answer.err.startswith(f"skinedge: {bad}: ")
    assert answer.err.count("\n") == 1
    assert str(lesion) in answer.out
    assert [p.name for p in (tmp_path / "maps").iterdir()] == ["lesion-attention.png"]
    rows = [
        json.loads(line) for line in skinedge("predict", bad, lesion, "--json").out.splitlines()
    ]
    assert str(bad) in rows[0]["error"]
    assert rows[1]["source"] == str(lesion)


def test_bad_arguments_are_one_line(skinedge, lesion: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    half = tmp_path / "half.tflite"
    half.write_bytes(EMBEDDED.read_bytes()[:2_000_000])
    for arguments, message in (
        (("predict", empty), "no images in this folder"),
        (("predict", tmp_path / "*.nothing"), "matches no file"),
        (("predict", ""), "an empty image name"),
        (("predict", "x" * 5000), "cannot be read"),
        (("predict", lesion, "--labels", lesion), "names its own classes"),
        (("predict", lesion, lesion, "--heatmap", tmp_path / "map.png"), "need a folder"),
        (("predict", lesion, "--model", half), "half.tflite: damaged"),
        (("predict", lesion, "--model", tmp_path / "no.tflite"), "cannot read this model"),
        (("info", lesion), "not a TensorFlow Lite model"),
    ):
        answer = skinedge(*arguments)
        assert answer.code == 2, arguments
        assert message in answer.err.replace("does not exist", "cannot be read")
        assert answer.err.count("\n") == 1
        assert answer.out == ""


def test_heatmaps_of_equal_names_do_not_overwrite(skinedge, lesion: Path, tmp_path: Path) -> None:
    twin = tmp_path / "other" / lesion.name
    twin.parent.mkdir()
    twin.write_bytes(lesion.read_bytes())
    assert skinedge("predict", lesion, twin, "--heatmap", tmp_path / "maps").code == 0
    written = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert written == ["lesion-2-attention.png", "lesion-attention.png"]


def test_a_numbered_heatmap_does_not_overwrite_either(
    skinedge, lesion: Path, tmp_path: Path
) -> None:
    photos, maps = tmp_path / "photos", tmp_path / "maps.2026"
    for name in ("a-2.png", "a.png", "b/a.png", "c/A.png"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(lesion.read_bytes())
    assert skinedge("predict", photos, "--heatmap", maps).code == 2
    maps.mkdir()  # there, it is a folder, whatever its name
    assert skinedge("predict", photos, "--heatmap", maps).code == 0
    written = sorted(path.name for path in maps.iterdir())
    assert written == [f"{name}-attention.png" for name in ("A-4", "a-2", "a-3", "a")]


def test_a_heatmap_never_takes_an_images_place(skinedge, lesion: Path, tmp_path: Path) -> None:
    photo = lesion.read_bytes()
    overlay = lesion.with_name("lesion-attention.png")
    overlay.write_bytes(photo)
    link = tmp_path / "link.png"
    link.symlink_to(lesion)
    no_model = ("--model", tmp_path / "no.tflite")  # refused before it is looked for
    for arguments in (
        (lesion, "--heatmap", lesion),
        (lesion, "--heatmap", link),
        (lesion, "--heatmap", lesion.parent / "." / "link.png"),
        (lesion, overlay, "--heatmap", lesion.parent),
    ):
        answer = skinedge("predict", *arguments, *no_model)
        assert (answer.code, answer.out) == (2, "")
        assert "is one of the images; write its heatmap elsewhere" in answer.err
    assert lesion.read_bytes() == overlay.read_bytes() == photo


def test_what_a_folder_hides_is_reported(skinedge, lesion: Path) -> None:
    link = lesion.with_name("link.png")
    link.symlink_to("nowhere.png")
    answer = skinedge("predict", lesion.parent)
    assert answer.code == 2
    assert answer.err.startswith(f"skinedge: {link}: cannot be read (No such file or directory)")
    assert answer.err.count("\n") == 1
    assert f"{lesion}  (" in answer.out
    lesion.unlink()
    answer = skinedge("predict", lesion.parent)
    assert answer.code == 2
    assert str(link) in answer.err


def test_what_is_piped_in_has_a_limit(
    skinedge, lesion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skinedge.image.MAX_BYTES", 1000)

    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            return len(buffer)

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
    answer = skinedge("predict", "-")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("skinedge: <stdin>: is larger than 1,000 bytes;")
    assert answer.err.count("\n") == 1


def _shell(line: str, *words: object) -> subprocess.CompletedProcess[str]:
    """`predict` below stands for the command."""
    program = "from skinedge.edge_cli.main import run; run()"
    predict = f"{shlex.quote(sys.executable)} -c {shlex.quote(program)} predict"
    line = line.replace("predict", predict, 1).format(*(shlex.quote(str(word)) for word in words))
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True)


def test_closed_streams(lesion: Path, tmp_path: Path) -> None:
    pipe = _shell("predict {0} {0} {0} | head -1; echo ${{PIPESTATUS[0]}}", lesion)
    assert pipe.stdout.splitlines()[1:] == ["0"]
    assert pipe.stderr == ""
    unread = _shell("predict {0} | true; echo ${{PIPESTATUS[0]}}", lesion)
    assert (unread.stdout, unread.stderr) == ("0\n", "")
    quiet = _shell("predict {} {} --json 2>&-", lesion, tmp_path / "no.png")
    assert quiet.returncode == 2
    rows = [json.loads(line) for line in quiet.stdout.splitlines()]
    assert [row["source"] for row in rows] == [str(lesion), str(tmp_path / "no.png")]
    no_stdin = _shell("predict - --model no.tflite <&-")
    assert no_stdin.returncode == 2
    assert no_stdin.stderr == "skinedge: -: stdin is closed; pipe an image into this command\n"


def test_what_cannot_be_written_is_one_line(skinedge, lesion: Path, labelled: Path) -> None:
    file = lesion.with_name("file")
    file.touch()
    answer = skinedge("predict", lesion, lesion, "--heatmap", file)
    assert answer.out.count(f"{lesion}  (") == 2
    assert DISCLAIMER in answer.out
    assert answer.code == 2
    assert answer.err.count("cannot write the heatmap") == answer.err.count("\n") == 2
    for arguments in (
        ("predict", lesion, "--heatmap", lesion / "map.png"),
        ("evaluate", EMBEDDED, "--data", labelled, "--out", lesion),
    ):
        answer = skinedge(*arguments)
        assert answer.code in (1, 2)
        assert str(lesion) in answer.err
        assert "Traceback" not in answer.err


def test_a_model_without_a_card_runs_with_a_warning(skinedge, lesion: Path, tmp_path: Path) -> None:
    bare, labels = tmp_path / "bare.tflite", tmp_path / "labels.txt"
    card = read_model().card
    assert card is not None
    bare.write_bytes(EMBEDDED.read_bytes()[: card["flatbuffer_bytes"]])
    labels.write_text("\n".join(CODES))
    answer = skinedge("predict", lesion, "--model", bare, "--labels", labels)
    assert answer.code == 0
    assert "carries no skinedge.json" in answer.err
    gone = tmp_path / "gone.png"  # not even looked for
    drawn = skinedge(
        "predict", gone, lesion, "--model", bare, "--labels", labels, "--heatmap", tmp_path
    )
    assert (drawn.code, drawn.out) == (2, "")
    assert "this model has no attention map" in drawn.err
    assert str(gone) not in drawn.err
    refused = skinedge("predict", lesion, "--model", bare)
    assert refused.code == 2
    assert "--labels" in refused.err


def test_the_warning_says_what_a_float32_input_gets(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    loaded = SimpleNamespace(file=SimpleNamespace(card=None), network=SimpleNamespace())
    monkeypatch.setattr(Classifier, "load", lambda *_, **__: loaded)
    for loaded.network.raw_pixels, said in ((True, 0), (False, 1)):
        load_classifier(Path("other.tflite"), None, 1)
        assert capfd.readouterr().err.count("; its input is (pixel - 127) / 128\n") == said


def test_debug_shows_the_traceback(skinedge, tmp_path: Path) -> None:
    answer = skinedge("--debug", "predict", tmp_path / "*.nothing")
    assert answer.code == 2
    assert "Traceback" in answer.err


def test_info_says_what_the_file_says(skinedge) -> None:
    text = skinedge("info").out
    for words in ("mel*", "CC BY-NC", "HAM10000", "macro AUROC", "float32", "malignant"):
        assert words in text
    card = json.loads(skinedge("info", EMBEDDED, "--json").out)
    assert card["input"] == {"height": 192, "width": 192, "scale": 1 / 128, "zero": 127}


def test_the_example_of_info_is_a_file_that_the_readme_makes(skinedge) -> None:
    [path] = re.findall(r"skinedge info (\S+\.tflite)", skinedge("info", "--help").out)
    assert path in (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["predict", "camera", "info", "evaluate", "train", "compress"])
def test_every_command_has_help_with_an_example(command: str, skinedge) -> None:
    answer = skinedge(command, "--help")
    assert answer.code == 0
    assert f"skinedge {command}" in answer.out.split("Example", 1)[1]


def test_ctrl_c_ends_quietly(lesion: Path) -> None:
    program = (
        "import sys, skinedge.classifier as c\n"
        "def stop(*_, **__): raise KeyboardInterrupt\n"
        "c.Classifier.predict = stop\n"
        f"sys.argv = ['skinedge', 'predict', {str(lesion)!r}]\n"
        "from skinedge.edge_cli.main import run; run()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("labelled")
    for number, code in enumerate(CODES * 2):
        (root / code).mkdir(exist_ok=True)
        cv2.imwrite(str(root / code / f"{number}.jpg"), draw(number, 60, 80))
    return root


def test_evaluate_a_folder_of_classes(skinedge, labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    answer = skinedge("evaluate", EMBEDDED, "--data", labelled, "--out", out, "--json")
    assert answer.code == 0, answer.err
    figures = json.loads(answer.out)
    assert figures["images"] == 14
    assert np.sum(figures["confusion_matrix"]) == 14
    assert json.loads((out / "evaluation.json").read_text()) == figures
    assert (out / "roc.png").stat().st_size > 1000
    assert "balanced accuracy" in skinedge("evaluate", EMBEDDED, "--data", labelled).out


def test_evaluate_takes_intervals_when_they_are_kept(skinedge, labelled: Path) -> None:
    def intervals(*options: str):
        return json.loads(
            skinedge("evaluate", EMBEDDED, "--data", labelled, "--json", *options).out
        )["intervals"]

    assert intervals()["of"]["accuracy"]
    assert intervals("--no-intervals") is None
    assert " to " not in skinedge("evaluate", EMBEDDED, "--data", labelled).out


def test_evaluate_several_models(skinedge, labelled: Path, tmp_path: Path) -> None:
    other, out = tmp_path / "other.tflite", tmp_path / "both"
    other.write_bytes(EMBEDDED.read_bytes())
    answer = skinedge("evaluate", EMBEDDED, other, "--data", labelled, "--out", out)
    assert answer.code == 0, answer.err
    assert "other minus edge, on the same images" in answer.out
    comparison = json.loads((out / "comparison.json").read_text())
    assert comparison["differences"]["other"]["accuracy"]["difference"] == 0
    assert list(comparison["models"]) == ["edge", "other"]
    for file in ("report.html", "roc_comparison.png", "edge/report.html", "other/roc.png"):
        assert (out / file).stat().st_size > 1000
    twice = skinedge("evaluate", EMBEDDED, EMBEDDED, "--data", labelled)
    assert twice.code == 2
    assert "named twice" in twice.err


def test_evaluate_a_table_and_leave_out_what_cannot_be_read(skinedge, tmp_path: Path) -> None:
    lines = ["image_id,dx"]
    for number, code in enumerate(CODES):
        cv2.imwrite(str(tmp_path / f"i{number}.jpg"), draw(number, 60, 80))
        lines.append(f"i{number},{code}")
    (tmp_path / "i3.jpg").write_text("text")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    answer = skinedge("evaluate", EMBEDDED, "--data", tmp_path, "--json")
    assert answer.code == 2
    assert "i3.jpg: is not a JPEG" in answer.err
    assert json.loads(answer.out)["images"] == 6


def test_evaluate_bad_data_is_one_line(skinedge, labelled: Path, tmp_path: Path) -> None:
    for name, table, message in (
        ("column", "image,diagnosis\na,mel\n", "no column"),
        ("absent", "image_id,dx\na,mel\nb,nv\n", "names 2 images that are not there"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "labels.csv").write_text(table)
        answer = skinedge("evaluate", EMBEDDED, "--data", folder, "--out", tmp_path / "out")
        assert answer.code == 2
        assert message in answer.err
        assert not (tmp_path / "out").exists()
    assert "does not exist" in skinedge("evaluate", EMBEDDED, "--data", tmp_path / "no").err


def test_evaluate_takes_a_layout_and_warns_in_a_line_once(
    skinedge, labelled: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(labelled, tmp_path / "data")
    (data / "labels.csv").write_text("image_id,dx\n0,akiec\n")
    other = shutil.copy(EMBEDDED, tmp_path / "other.tflite")

    def images(*options: str) -> tuple[int, str]:
        answer = skinedge("evaluate", EMBEDDED, other, "--data", data, "--json", *options)
        assert answer.code == 0, answer.err
        return json.loads(answer.out)["models"]["edge"]["images"], answer.err

    assert images()[0] == 1
    count, said = images("--layout", "folder")
    assert count == 14
    notice = "labels.csv is not read: the folders beside it label the images"
    [line] = (line for line in said.splitlines() if notice in line)
    assert line == f"skinedge: warning: {data}: {notice}"
    assert "UserWarning" not in said
    refused = skinedge("evaluate", EMBEDDED, "--data", data, "--layout", "isic")
    assert (refused.code, refused.err[:32]) == (2, "skinedge: unknown layout 'isic';")


def test_evaluate_suggests_nothing_that_it_lacks(skinedge, tmp_path: Path) -> None:
    (tmp_path / "rest").mkdir()
    cv2.imwrite(str(tmp_path / "rest" / "a.jpg"), draw(1, 60, 80))
    answer = skinedge("evaluate", EMBEDDED, "--data", tmp_path)
    assert answer.code == 2
    assert "leave these images out, or train with another --task" in answer.err


def test_evaluate_knows_its_own_split(skinedge, labelled: Path, ham10000: Path) -> None:
    for data in (labelled, ham10000):
        answer = skinedge("evaluate", EMBEDDED, "--data", data, "--split", "test")
        assert answer.code == 2
        assert f"{data}: not the set {EMBEDDED} was trained on" in answer.err
