"""The `skinedge` command: one Typer app, one module per command.

A command imports its station when it runs, so that `skinedge predict` never pays for
TensorFlow, and on a Raspberry Pi never needs it.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, NoReturn

import typer

from skinedge.errors import SkinEdgeError

from . import (
    benchmark,
    camera,
    compress,
    data,
    evaluate,
    info,
    predict,
    recipes,
    restore,
    train,
)

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
    recipes.recipes,
    train.train,
    compress.compress,
    restore.restore,
    benchmark.benchmark,
):
    app.command()(command)
# Its name before there was anything but int8.
app.command("export", hidden=True)(compress.compress)
app.add_typer(data.app, name="data")


@app.callback()
def main(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Skin-lesion classifiers on phones and small boards: train, quantize, predict.

    A research tool, not a medical device: its output is never a diagnosis.
    """
    # `run` reads the flag from the command line; being declared here puts it into --help.


def run() -> None:
    """Run the command line; one line per error on stderr, exit code 2 for bad input, 1 else."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows ?
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where a closed pipe is met, and not when Python ends
    except SkinEdgeError as error:
        _end(error, str(error), error.exit_code)
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        _nobody_reads()  # Typer has met it first, and made it exit code 1
    except BrokenPipeError:
        _nobody_reads()
    except OSError as error:
        _end(error, f"{error.filename or 'input or output'}: {error.strerror or error}", 1)
    except ImportError as error:
        _end(error, f"cannot import {error.name or 'a package'}: {error}; install it again", 1)


def _open_closed_streams() -> None:
    """After `2>&-` print to nowhere: else the next file opened would get what goes to stderr."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    # Python has None for a closed one, and prints to stdout what should go to None.
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def _nobody_reads() -> NoReturn:
    """End well: the reader of our output (`| head`) has enough, and nothing is wrong."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):  # Python would complain at exit, when it flushes
        os.dup2(nowhere, stream.fileno())
    sys.exit(0)


def _end(error: Exception, message: str, code: int) -> NoReturn:
    if "--debug" in sys.argv:
        import traceback

        traceback.print_exception(error)
    print(f"skinedge: {message}", file=sys.stderr)
    sys.exit(code)
