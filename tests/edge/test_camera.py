"""`skinedge camera` and skinedge.camera, on real video files and on cameras that misbehave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

import skinedge.camera
from skinedge import DISCLAIMER, Classifier
from skinedge.camera import Frame, NewestFrame, Source, open_source
from skinedge.edge_cli.live import Predictor, predict_frames
from skinedge.edge_cli.main import app
from skinedge.edge_cli.window import compose, open_window
from skinedge.errors import CameraError, SkinEdgeError, UsageError

FRAMES = 12


def picture(number: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A BGR frame whose grey level is ten times its number, with blue sides and a red middle."""
    bgr = np.full((height, width, 3), 10 * number, np.uint8)
    bgr[:, :8] = bgr[:, -8:] = (255, 0, 0)
    bgr[20:28, 28:36] = (0, 0, 255)
    return bgr


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30, (64, 48))
    for number in range(1, FRAMES + 1):
        writer.write(picture(number))
    writer.release()
    return path


def camera(*arguments: str | Path) -> Result:
    """Run the command; a deliberate error is raised, as `run` would meet it."""
    result = CliRunner().invoke(app, ["camera", *map(str, arguments)])
    if isinstance(result.exception, SkinEdgeError):
        raise result.exception
    return result


class ScriptedCamera:
    """A camera nobody has here: a frame per number, `None` for a failed read, then silence."""

    def __init__(self, script: list[int | None], seconds_per_frame: float = 0.0) -> None:
        self.script = iter(script)
        self.pause = seconds_per_frame
        self.released = threading.Event()

    def read(self) -> tuple[bool, Any]:
        time.sleep(self.pause)
        number = next(self.script, None)
        return (False, None) if number is None else (True, picture(number))

    def release(self) -> None:
        self.released.set()


def grey(frame: Frame) -> int:
    return round(float(frame.rgb[2:8, 12:40].mean()) / 10)


# --- a video file, without a window ---------------------------------------------------------------


def test_every_frame_of_a_file_is_predicted_in_order(video: Path, tiny_model: Path) -> None:
    result = camera("--headless", "--json", "--model", tiny_model, "--source", video)
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [answer["frame"] for answer in answers] == list(range(1, FRAMES + 1))
    assert all(answer["source"] == str(video) for answer in answers)
    assert answers[0]["fps"] is None
    assert all(answer["fps"] > 0 for answer in answers[1:])
    assert {"labels", "decisions", "malignant_probability", "timings"} <= answers[0].keys()
    assert sum(label["probability"] for label in answers[0]["labels"]) == pytest.approx(1)
    assert result.stderr.count(DISCLAIMER) == 1


def test_predictions_are_of_the_frames_they_name(video: Path, tiny_model: Path) -> None:
    classifier = Classifier.load(tiny_model)
    with open_source(str(video)) as source:
        frames = list(source)
    result = camera("--headless", "--json", "--model", tiny_model, "--source", video)
    for frame, line in zip(frames, result.stdout.splitlines(), strict=True):
        expected = classifier.predict(frame.rgb).to_json()["labels"]
        assert json.loads(line)["labels"] == expected


def test_a_frame_is_the_centre_square_in_rgb(video: Path) -> None:
    with open_source(str(video)) as source:
        frames = list(source)
    assert [grey(frame) for frame in frames] == list(range(1, FRAMES + 1))
    assert all(frame.rgb.shape == (48, 48, 3) for frame in frames)
    red, green, blue = frames[0].rgb[24, 24]  # the middle of the frame, drawn red
    assert red > 200
    assert max(green, blue) < 80
    assert frames[0].rgb[24, 2].max() < 80  # the blue sides are cut off


def test_text_lines_and_max_frames(video: Path, tiny_model: Path) -> None:
    result = camera("--headless", "--model", tiny_model, "--source", video, "--max-frames", "3")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert [line.split("  ")[0] for line in lines] == ["frame 1", "frame 2", "frame 3"]
    assert "frames could be decoded" not in result.stderr


def test_a_damaged_file_says_how_many_frames_are_missing(
    video: Path, tiny_model: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.avi"
    data = video.read_bytes()
    cut.write_bytes(data[: (data.index(b"movi") + data.index(b"idx1")) // 2])
    result = camera("--headless", "--model", tiny_model, "--source", cut)
    assert 0 < len(result.stdout.splitlines()) < FRAMES
    assert f"of about {FRAMES} frames could be decoded" in result.stderr


def test_a_colon_in_a_path_is_no_protocol(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clip:1.avi").write_bytes(video.read_bytes())
    monkeypatch.chdir(tmp_path)
    with open_source("clip:1.avi") as source:
        assert len(list(source)) == FRAMES


# --- in a process of its own ----------------------------------------------------------------------


def process(video: Path, model: Path) -> subprocess.Popen[str]:
    code = "from skinedge.edge_cli.main import run; run()"
    arguments = ["camera", "--headless", "--model", str(model), "--source", str(video)]
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_reader_that_has_enough_ends_it_quietly(video: Path, tiny_model: Path) -> None:
    running = process(video, tiny_model)
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    message = running.stderr.read()
    assert running.wait(timeout=60) == 0
    assert "Error" not in message
    assert "Exception" not in message


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
def test_ctrl_c_ends_it_without_a_traceback(tiny_model: Path, tmp_path: Path) -> None:
    long = tmp_path / "long.avi"
    writer = cv2.VideoWriter(str(long), cv2.VideoWriter_fourcc(*"MJPG"), 30, (64, 48))
    for number in range(4000):
        writer.write(picture(number % 25))
    writer.release()
    running = process(long, tiny_model)
    assert running.stdout is not None
    running.stdout.readline()
    running.send_signal(signal.SIGINT)
    _, message = running.communicate(timeout=60)
    assert running.returncode == 0
    assert "Traceback" not in message
    assert "Aborted" not in message


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device paths")
def test_missing_camera(tiny_model: Path) -> None:
    with pytest.raises(CameraError, match=r"no camera at /dev/video99; .*--source") as caught:
        camera("--headless", "--model", tiny_model, "--source", "99")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device paths")
def test_a_device_that_is_no_camera() -> None:
    with pytest.raises(CameraError, match="/dev/null: cannot be opened as a camera"):
        open_source("/dev/null")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match=r"nothing\.mp4: does not exist; check the path"):
        open_source(str(tmp_path / "nothing.mp4"))
    with pytest.raises(CameraError, match="is not a file"):
        open_source(str(tmp_path))


def test_text_renamed_to_avi(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.avi"
    text.write_text("hello\n" * 100, encoding="utf-8")
    with pytest.raises(CameraError, match=r"text\.avi: not a video that OpenCV can read"):
        open_source(str(text))
    assert capfd.readouterr().err == ""


def test_json_needs_headless(tiny_model: Path) -> None:
    with pytest.raises(UsageError, match="add --headless"):
        camera("--json", "--model", tiny_model)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X displays")
def test_no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(CameraError, match="no display to open a window on; use --headless"):
        open_window("test")


def test_a_camera_that_is_unplugged_is_an_error() -> None:
    unplugged = ScriptedCamera([1, None, 2])  # one failed read is nothing; silence is
    seen = []

    def watch() -> None:
        with NewestFrame(Source("cam", unplugged)) as newest:
            for frame in newest:
                seen.append(frame.number)

    with pytest.raises(CameraError, match=r"cam: delivers no more frames; check its cable"):
        watch()
    assert seen[-1] == 2
    assert unplugged.released.wait(1)


def test_a_camera_whose_read_blocks_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skinedge.camera, "FIRST_FRAME_S", 0.1)
    blocked = ScriptedCamera([1], seconds_per_frame=0.8)
    with (
        pytest.raises(CameraError, match="delivers no more frames"),
        NewestFrame(Source("cam", blocked)) as newest,
    ):
        next(iter(newest))


def test_a_file_without_a_frame_is_an_error() -> None:
    with pytest.raises(CameraError, match="holds no frame"):
        list(Source("empty.avi", ScriptedCamera([]), rate=30.0))


# --- the newest frame -----------------------------------------------------------------------------


def test_a_slow_consumer_gets_the_newest_frame_and_never_an_older_one() -> None:
    fast = ScriptedCamera([n % 25 for n in range(1, 200)], seconds_per_frame=0.005)
    seen, behind = [], []
    with NewestFrame(Source("cam", fast)) as newest:
        for frame in newest:
            latest = newest.newer_than(0, wait_s=0)
            assert latest is not None
            behind.append(latest.number - frame.number)
            seen.append(frame.number)
            assert grey(frame) == frame.number % 25
            time.sleep(0.05)
            if len(seen) == 5:
                break
    assert seen == sorted(set(seen))
    assert max(behind) <= 2
    assert seen[-1] > 2 * len(seen)  # frames in between were skipped
    assert fast.released.wait(1)


def test_a_file_in_a_window_plays_at_its_own_rate(video: Path, tiny_model: Path) -> None:
    start = time.monotonic()
    classifier = Classifier.load(tiny_model)
    with (
        NewestFrame(open_source(str(video))) as newest,
        Predictor(predict_frames(classifier, newest, "clip")) as predictor,
    ):
        while predictor.running:
            time.sleep(0.01)
        answer = predictor.latest()
        with pytest.raises(EOFError):
            newest.newer_than(FRAMES, wait_s=1)
    assert answer is not None
    assert answer.frame.number == FRAMES
    assert time.monotonic() - start > 0.9 * (FRAMES - 1) / 30


def test_predictor_stops_at_its_limit_and_passes_errors_on(tiny_model: Path) -> None:
    classifier = Classifier.load(tiny_model)
    frames = [Frame(n, np.zeros((8, 8, 3), np.uint8)) for n in range(1, 9)]
    with Predictor(predict_frames(classifier, frames, "cam"), limit=3) as predictor:
        while predictor.running:
            time.sleep(0.01)
        answer = predictor.latest()
    assert answer is not None
    assert answer.frame.number == 3

    grey_frame = Frame(1, np.zeros((8, 8), np.uint8))
    with Predictor(predict_frames(classifier, [grey_frame], "cam")) as predictor:
        while predictor.running:
            time.sleep(0.01)
        with pytest.raises(SkinEdgeError, match="pass RGB uint8"):
            predictor.latest()


def test_the_window_shows_the_newest_frame_and_the_answer(tiny_model: Path) -> None:
    old, new = (Frame(n, np.full((48, 48, 3), 100 * n, np.uint8)) for n in (1, 2))
    (answer,) = predict_frames(Classifier.load(tiny_model), [old], "cam")
    waiting, answered = compose(new, None, False), compose(new, answer, False)
    assert waiting.shape == answered.shape == (420, 780, 3)
    assert (answered[:, :420] == 200).all()
    assert not np.array_equal(waiting[:, 420:], answered[:, 420:])
    explained = compose(new, answer, True)  # the map belongs to the frame it was computed on
    predicted = 200 if answer.prediction.attention is None else 100
    assert np.abs(explained[:, :420].astype(int) - predicted).min() < 30
