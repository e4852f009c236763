"""`skinedge camera`: classify what a camera sees, in a window or as lines of text."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Json, Labels, Model, Threads

if TYPE_CHECKING:
    from skinedge.camera import NewestFrame
    from skinedge.classifier import Classifier
    from skinedge.edge_cli.live import FramePrediction, Predictor
    from skinedge.edge_cli.window import Window

__all__ = ["camera"]


def camera(
    source: Annotated[
        str, typer.Option(help="Camera number, device such as /dev/video2, or video file.")
    ] = "0",
    headless: Annotated[
        bool, typer.Option("--headless", help="No window: print one line per prediction.")
    ] = False,
    json_lines: Json = False,
    model: Model = None,
    labels: Labels = None,
    threads: Threads = None,
    max_frames: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many predictions.")
    ] = None,
) -> None:
    """Classify what a camera sees, for example on a Raspberry Pi.

    The picture's centre square is classified, always of the newest frame. In the window, a
    switches the attention map and q quits; Ctrl-C ends it anywhere.

    A video file is played like a camera in the window; with --headless every one of its frames
    is predicted in order, as fast as the device can.

    Examples:

      skinedge camera

      skinedge camera --headless --json --source clip.mp4
    """
    from skinedge.edge_cli.loading import load_classifier
    from skinedge.errors import UsageError

    if json_lines and not headless:
        raise UsageError("--json prints instead of opening a window; add --headless")
    classifier = load_classifier(model, labels, threads)
    try:
        if headless:
            _print_predictions(classifier, source, json_lines, max_frames)
        else:
            _show_predictions(classifier, source, max_frames)
    except KeyboardInterrupt:
        return  # how one ends it, so no failure
    except BrokenPipeError:
        # The reader, such as `head`, has enough; Python would complain at exit when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_predictions(
    classifier: Classifier, source: str, json_lines: bool, max_frames: int | None
) -> None:
    from itertools import islice

    from skinedge import DISCLAIMER
    from skinedge.camera import NewestFrame, open_source
    from skinedge.edge_cli.live import predict_frames

    opened = open_source(source)
    typer.echo(DISCLAIMER, err=True)
    number = 0
    with NewestFrame(opened) if opened.rate is None else opened as frames:
        for answer in islice(predict_frames(classifier, frames, opened.name), max_frames):
            typer.echo(_json_line(answer) if json_lines else _text_line(answer))
            number = answer.frame.number
    if max_frames is None and opened.stated_frames - number > 1:
        typer.echo(
            f"warning: {source}: {number} of about {opened.stated_frames} frames could be decoded; "
            "the rest is damaged or cut off",
            err=True,
        )


def _json_line(answer: FramePrediction) -> str:
    import json

    fps = None if answer.fps is None else round(answer.fps, 2)
    return json.dumps({"frame": answer.frame.number, "fps": fps, **answer.prediction.to_json()})


def _text_line(answer: FramePrediction) -> str:
    from skinedge.edge_cli.words import decision_line

    prediction = answer.prediction
    parts = [
        f"frame {answer.frame.number}",
        f"{prediction.top.code} {prediction.top.probability:.1%}",
        *(decision_line(decision) for decision in prediction.decisions),
        f"{prediction.timings.inference_ms:.1f} ms",
    ]
    if answer.fps is not None:
        parts.append(f"{answer.fps:.1f} frames/s")
    return "  ".join(parts)


def _show_predictions(classifier: Classifier, source: str, max_frames: int | None) -> None:
    from skinedge.camera import NewestFrame, open_source
    from skinedge.edge_cli.live import Predictor, predict_frames
    from skinedge.edge_cli.window import open_window

    window = open_window("SkinEdge")
    try:
        opened = open_source(source)
        with (
            NewestFrame(opened) as newest,
            Predictor(predict_frames(classifier, newest, opened.name), max_frames) as predictor,
        ):
            _draw(window, newest, predictor)
    finally:
        window.close()


def _draw(window: Window, newest: NewestFrame, predictor: Predictor) -> None:
    """Draw until the window is left, the file ends or the predictor has reached its limit."""
    from skinedge.edge_cli.window import QUIT, compose

    frame, drawn, attention = None, None, False
    while True:
        try:
            frame = newest.newer_than(frame.number if frame else 0, wait_s=1 / 30) or frame
        except EOFError:
            return
        ended = not predictor.running
        answer = predictor.latest()
        view = (frame, answer, attention)
        key = window.show(compose(frame, answer, attention) if frame and view != drawn else None)
        drawn = view
        if key == QUIT or ended:
            return
        if key == "a":
            attention = not attention
