"""Frames of a camera or a video file.

A camera is read on a thread of its own that keeps only the newest frame: whoever is slower than
the camera then sees fewer frames, never old ones. A video file gives every frame in order instead.

    >>> with open_source("clip.avi") as frames:                          # doctest: +SKIP
    ...     for frame in frames:
    ...         print(frame.number, frame.rgb.shape)
"""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from .errors import CameraError
from .image import centre_square

__all__ = ["Capture", "Frame", "NewestFrame", "Source", "open_source"]

FIRST_FRAME_S = 10.0  # a camera may have to power up, and libcamera to start
STALLED_S = 3.0
FAILED_READS = 20
RETRY_S = 0.05
_LINUX = sys.platform.startswith("linux")


class Capture(Protocol):
    """What is used of `cv2.VideoCapture`."""

    def read(self) -> tuple[bool, Any]:
        """Success, and the next frame: BGR uint8 `[height, width, 3]`."""

    def release(self) -> None:
        """Give the device or file back."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame's centre square: RGB uint8 `[side, side, 3]`, numbered from 1 as it was read."""

    number: int
    rgb: npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Source:
    """An open camera or video file.

    Attributes:
        name: what messages and predictions call it, such as `/dev/video0` or the file's path.
        capture: where frames are read from.
        rate: frames per second of a file, None for a camera.
        stated_frames: how many frames a file says it has, 0 where it does not say.
    """

    name: str
    capture: Capture
    rate: float | None = None
    stated_frames: int = 0

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.capture.release()

    def __iter__(self) -> Iterator[Frame]:
        """Every frame in order: a file's to its end, a camera's as they come, without end.

        Raises:
            CameraError: the camera stopped delivering, or the file holds no frame.
        """
        number = failures = 0
        while True:
            ok, bgr = self.capture.read()
            if ok:
                number, failures = number + 1, 0
                rgb = cv2.cvtColor(centre_square(bgr), cv2.COLOR_BGR2RGB)
                yield Frame(number, rgb.astype(np.uint8, copy=False))
            elif self.rate is not None:
                if not number:
                    raise CameraError(f"{self.name}: holds no frame that can be decoded")
                return
            else:
                failures += 1
                if failures == FAILED_READS:
                    raise _stalled(self.name)
                time.sleep(RETRY_S)


def open_source(source: str) -> Source:
    """Open a camera by number or device path, or a video file.

    OpenCV's and FFmpeg's own messages are switched off, unless `OPENCV_LOG_LEVEL` asks for them.

    Raises:
        CameraError: there is no such camera or file, or it cannot be read. One line.
    """
    if "OPENCV_LOG_LEVEL" not in os.environ:
        logging: Any = getattr(cv2.utils, "logging", cv2)  # cv2 itself before OpenCV 5
        logging.setLogLevel(0)
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    if source.isdecimal() or (_LINUX and source.startswith("/dev/")):
        return _open_camera(source)
    return _open_file(source)


def _open_camera(source: str) -> Source:
    if not _LINUX:
        capture, name = cv2.VideoCapture(int(source)), f"camera {source}"
    else:
        device = Path(f"/dev/video{source}" if source.isdecimal() else source)
        name = str(device)
        if not device.exists():
            raise CameraError(
                f"no camera at {name}; plug one in, or name another, or a video file, with --source"
            )
        if not os.access(device, os.R_OK | os.W_OK):
            raise CameraError(
                f"{name}: no permission to use this camera; add yourself to its group "
                "(sudo usermod -aG video $USER) and log in again"
            )
        capture = cv2.VideoCapture(name, cv2.CAP_V4L2)
    if not capture.isOpened():
        raise CameraError(
            f"{name}: cannot be opened as a camera: in use by another program, or not one "
            "that delivers pictures; name another with --source"
        )
    return Source(name, capture)


def _open_file(source: str) -> Source:
    path = Path(source)
    try:
        mode = path.stat().st_mode
    except OSError:
        raise CameraError(f"{source}: does not exist; check the path") from None
    if not stat.S_ISREG(mode):
        raise CameraError(f"{source}: is not a file; name a video file")
    if not os.access(path, os.R_OK):
        raise CameraError(f"{source}: cannot be read; check its permissions")
    # Absolute, because FFmpeg takes what stands before a colon for a protocol.
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise CameraError(f"{source}: not a video that OpenCV can read; give an MP4 or AVI file")
    rate = capture.get(cv2.CAP_PROP_FPS)
    stated = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return Source(source, capture, rate if 0 < rate < 1000 else 25.0, max(0, int(stated)))


def _stalled(name: str) -> CameraError:
    return CameraError(f"{name}: delivers no more frames; check its cable and start again")


class NewestFrame:
    """A source read on a thread of its own, of which only the newest frame is kept.

    A file is read at its own frame rate, as if it were a camera. As a context manager it stops
    the thread and releases the source.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._ended = False
        self._error: Exception | None = None
        self._stop = threading.Event()
        self._deadline = time.monotonic() + FIRST_FRAME_S
        # A daemon, because a read from an unplugged camera can block for long.
        self._thread = threading.Thread(target=self._read, name="camera", daemon=True)

    def __enter__(self) -> NewestFrame:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=1.0)

    def newer_than(self, number: int, wait_s: float) -> Frame | None:
        """The newest frame if its number is higher than `number`; None if none comes in time.

        Raises:
            CameraError: the camera stopped delivering frames.
            EOFError: the file has ended.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._number() > number, wait_s)
            if self._number() > number:
                return self._frame
            if self._error is not None:
                raise self._error
            if self._ended:
                raise EOFError
            if time.monotonic() > self._deadline:
                raise _stalled(self._source.name)
            return None

    def __iter__(self) -> Iterator[Frame]:
        """The newest frame whenever the consumer asks; frames it was too slow for are skipped."""
        number = 0
        while not self._stop.is_set():
            try:
                frame = self.newer_than(number, wait_s=0.2)
            except EOFError:
                return
            if frame is not None:
                number = frame.number
                yield frame

    def _number(self) -> int:
        return 0 if self._frame is None else self._frame.number

    def _read(self) -> None:
        pause = 1 / self._source.rate if self._source.rate else 0.0
        due = time.monotonic()
        try:
            with self._source:
                for frame in self._source:
                    with self._changed:
                        self._frame = frame
                        self._deadline = time.monotonic() + STALLED_S
                        self._changed.notify_all()
                    due += pause
                    if self._stop.wait(max(0.0, due - time.monotonic())):
                        return
        except Exception as error:  # raised again in the thread that asks for a frame
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
