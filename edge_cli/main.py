"""The `skinedge` command: one Typer app, one module per command.

A command imports its station when it runs, so that `skinedge predict` never pays for
TensorFlow, and on a Raspberry Pi never needs it.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from skinedge.errors import SkinEdgeError

from . import camera, evaluate, export, info, predict, train

__all__ = ["app", "run"]

# OpenBLAS starts a thread per core when numpy loads; nothing here multiplies large matrices
# with it, and it costs 50 ms of start-up.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

app = typer.Typer(
    name="skinedge",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    predict.predict,
    camera.camera,
    info.info,
    evaluate.evaluate,
    train.train,
    export.export,
):
    app.command()(command)


@app.callback()
def main(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Skin-lesion classifiers on phones and small boards: train, quantize, predict.

    A research tool, not a medical device: its output is never a diagnosis.
    """
    # `run` reads the flag from the command line; being declared here puts it into --help.


def run() -> None:
    """Run the command line; one line per error on stderr, exit code 2 for bad input."""
    try:
        app()
    except SkinEdgeError as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        print(f"skinedge: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output (`| head`) has enough; nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
