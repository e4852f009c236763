"""A window for the camera demo, and what is drawn in it.

OpenCV comes in a build with windows (opencv-python) and one without (opencv-python-headless, what
SkinEdge installs). The first draws its own window; for the second Tk, from Python's standard
library, does.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import textwrap
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from skinedge import DISCLAIMER
from skinedge.camera import Frame
from skinedge.edge_cli.live import FramePrediction
from skinedge.edge_cli.words import decision_line
from skinedge.errors import CameraError
from skinedge.heatmap import overlay

__all__ = ["QUIT", "TkWindow", "Window", "compose", "open_window"]

QUIT = "q"

# Together 780 x 420: fits the Raspberry Pi's 800 x 480 touch display, with a title bar.
PICTURE, PANEL = 420, 360
MARGIN = 16
BACKGROUND, TEXT, FAINT, ALERT = (24, 26, 30), (240, 240, 240), (150, 155, 165), (255, 150, 60)

Pixels = npt.NDArray[np.uint8]


class Window(Protocol):
    """A window that shows pictures and reports keys."""

    def show(self, rgb: Pixels | None) -> str | None:
        """Show a picture, or keep the last for None, and handle events.

        Returns:
            A key pressed since the last call, in lower case; QUIT for Escape and for a closed
            window; None for no key.
        """

    def close(self) -> None:
        """Close the window."""


def open_window(title: str) -> Window:
    """Open OpenCV's window if the installed build has one, else Tk's.

    Raises:
        CameraError: there is no display, or nothing that can draw on it.
    """
    if sys.platform.startswith("linux") and not _x_display_answers():
        raise CameraError(
            "no display to open a window on; use --headless, or start this on the desktop"
        )
    if re.search(r"GUI:\s+(?!NONE)\S", cv2.getBuildInformation()):
        return _OpenCVWindow(title)
    try:
        return TkWindow(title)
    except ImportError:
        raise CameraError(
            "this OpenCV opens no windows and Python lacks tkinter; "
            "use --headless, or sudo apt install python3-tk"
        ) from None


def _x_display_answers() -> bool:
    """Ask before a toolkit does: where no display answers, OpenCV's Qt aborts the process."""
    if not os.environ.get("DISPLAY"):
        return False
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:  # not installed: the toolkit that brings its own has to find out
        return True
    x11.XOpenDisplay.restype = ctypes.c_void_p
    display = x11.XOpenDisplay(None)
    if display:
        x11.XCloseDisplay(ctypes.c_void_p(display))
    return bool(display)


class _OpenCVWindow:
    def __init__(self, title: str) -> None:
        # The wheels bring only this Qt platform; naming it avoids a warning under Wayland.
        os.environ.setdefault("QT_QPA_PLATFORM", "xcb")
        self._title = title
        cv2.namedWindow(title, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)

    def show(self, rgb: Pixels | None) -> str | None:
        if rgb is not None:
            cv2.imshow(self._title, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        code = cv2.waitKey(1)
        if code == 27 or self._closed():
            return QUIT
        return chr(code & 0xFF).lower() if code > 0 else None

    def close(self) -> None:
        cv2.destroyAllWindows()

    def _closed(self) -> bool:
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error:  # Qt, once its only window is closed
            return True


class TkWindow:
    """A window of Python's standard library."""

    def __init__(self, title: str) -> None:
        import tkinter

        try:
            self._root = tkinter.Tk(className="skinedge")
        except tkinter.TclError as error:
            raise CameraError(f"no window: {error}; use --headless") from None
        self._root.title(title)
        self._root.resizable(False, False)
        self._photo = tkinter.PhotoImage(master=self._root, width=PICTURE + PANEL, height=PICTURE)
        tkinter.Label(self._root, image=self._photo, borderwidth=0).pack()
        self._key: str | None = None
        self._root.bind("<Key>", self._pressed)
        self._root.protocol("WM_DELETE_WINDOW", self._quit)
        self._root.update()

    def show(self, rgb: Pixels | None) -> str | None:
        if rgb is not None:
            height, width = rgb.shape[:2]
            self._photo.configure(data=b"P6 %d %d 255\n" % (width, height) + rgb.tobytes())
        self._root.update()
        key, self._key = self._key, None
        return key

    def close(self) -> None:
        self._root.destroy()

    def _pressed(self, event: Any) -> None:
        self._key = QUIT if event.keysym == "Escape" else event.char.lower() or None

    def _quit(self) -> None:
        self._key = QUIT


def compose(frame: Frame, answer: FramePrediction | None, attention: bool) -> Pixels:
    """Draw what the window shows: the camera's square and, beside it, the model's answer.

    Args:
        frame: the newest frame.
        answer: the newest prediction, of this frame or an earlier one.
        attention: show the predicted frame under its attention map instead of the newest frame.

    Returns:
        RGB uint8 `[420, 780, 3]`.
    """
    weights = answer.prediction.attention if attention and answer is not None else None
    shown = frame if weights is None or answer is None else answer.frame
    square = cv2.resize(shown.rgb, (PICTURE, PICTURE), interpolation=cv2.INTER_AREA)
    picture = square.astype(np.uint8, copy=False)
    if weights is not None:
        picture = overlay(picture, weights)
    panel = np.full((PICTURE, PANEL, 3), BACKGROUND, np.uint8)
    _write_answer(panel, answer, attention)
    return np.hstack([picture, panel])


def _write_answer(panel: Pixels, answer: FramePrediction | None, attention: bool) -> None:
    y = 16
    if answer is None:
        y = _write(panel, "waiting for the model ...", y, 0.5, FAINT)
    else:
        prediction = answer.prediction
        first, *others = prediction.labels[:3]
        y = _write(panel, f"{first.code}  {first.probability:.1%}", y, 1.0, TEXT)
        if first.name != first.code:
            y = _write(panel, first.name, y, 0.55, TEXT)
        runners_up = [f"{label.code} {label.probability:.1%}" for label in others]
        y = _write(panel, "then " + ", ".join(runners_up), y, 0.45, FAINT) + 10
        if prediction.malignant_probability is not None:
            share = f"malignant classes together {prediction.malignant_probability:.1%}"
            y = _write(panel, share, y, 0.5, TEXT)
        for decision in prediction.decisions:
            colour = ALERT if decision.positive else TEXT
            y = _write(panel, decision_line(decision), y, 0.45, colour)
        rate = "" if answer.fps is None else f"{answer.fps:.1f} frames/s, "
        speed = f"{rate}{prediction.timings.inference_ms:.1f} ms inference"
        y = _write(panel, speed, y + 10, 0.5, TEXT)
        if attention:
            has_map = prediction.attention is not None
            note = "attention on" if has_map else "this model has no attention map"
            y = _write(panel, note, y, 0.45, FAINT)
    footer = ["a: attention   q: quit", *textwrap.wrap(DISCLAIMER, 46)]
    y = PICTURE - MARGIN - 20 * len(footer)
    for line in footer:
        y = _write(panel, line, y, 0.42, FAINT)


def _write(panel: Pixels, text: str, top: int, scale: float, colour: tuple[int, int, int]) -> int:
    """Write one line, shrunk where it is too wide; return where the next one starts."""
    font = cv2.FONT_HERSHEY_SIMPLEX
    plain = text.encode("ascii", "replace").decode()  # all that OpenCV 4's fonts hold
    (width, _), _ = cv2.getTextSize(plain, font, scale, 1)
    scale *= min(1.0, (PANEL - 2 * MARGIN) / width)
    bottom = top + round(22 * scale)
    cv2.putText(panel, plain, (MARGIN, bottom), font, scale, colour, 1, cv2.LINE_AA)
    return bottom + round(10 * scale) + 6
