"""Predictions on the frames of a camera or video file, as they come."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from skinedge.camera import Frame
from skinedge.classifier import Classifier
from skinedge.prediction import Prediction

__all__ = ["FramePrediction", "Predictor", "predict_frames"]

RATE_WINDOW_S = 2.0


@dataclass(frozen=True, eq=False)
class FramePrediction:
    """A frame, what the model answers, and predictions per second (None for the first)."""

    frame: Frame
    prediction: Prediction
    fps: float | None


def predict_frames(
    classifier: Classifier, frames: Iterable[Frame], name: str
) -> Iterator[FramePrediction]:
    """Predict frames as they come; the rate is over the last two seconds."""
    times: deque[float] = deque()
    for frame in frames:
        prediction = classifier.predict(frame.rgb, name)
        times.append(time.monotonic())
        while len(times) > 2 and times[-1] - times[0] > RATE_WINDOW_S:
            times.popleft()
        elapsed = times[-1] - times[0]
        yield FramePrediction(frame, prediction, (len(times) - 1) / elapsed if elapsed else None)


class Predictor:
    """Runs `predict_frames` on a thread of its own, so that drawing never waits for the model."""

    def __init__(self, predictions: Iterator[FramePrediction], limit: int | None = None) -> None:
        self._predictions = islice(predictions, limit)
        self._latest: FramePrediction | None = None
        self._error: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="predictor", daemon=True)

    def __enter__(self) -> Predictor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=2.0)

    @property
    def running(self) -> bool:
        """False once the limit or the last frame is reached."""
        return self._thread.is_alive()

    def latest(self) -> FramePrediction | None:
        """The newest prediction, None before the first; raises what stopped the thread."""
        if self._error is not None:
            raise self._error
        return self._latest

    def _run(self) -> None:
        try:
            for answer in self._predictions:
                self._latest = answer
                if self._stop.is_set():
                    return
        except Exception as error:  # raised again in the thread that asks for the latest
            self._error = error
