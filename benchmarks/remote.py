"""Benchmark on a board over ssh, from the desk; nothing stays behind there.

    report = over_ssh("pi@raspberrypi", [Path("edge.tflite")], ["--threads", "1"], print)

It uses the system's own client with the user's own settings and keys. The board needs Python 3.10
or newer.
"""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread
from typing import IO

from skinedge.errors import BenchmarkError, ModelFileError, UsageError
from skinedge.model_file import EMBEDDED

from .result_file import read
from .results import Report

__all__ = ["over_ssh"]

Say = Callable[[str], None]

PACKAGES = ("skinedge", "skinedge.models", "skinedge.edge_cli", "skinedge.benchmarks")
LEFT_OUT = {"__pycache__", "train", "compress"}
NEEDED = ("ai-edge-litert", "numpy", "opencv-python-headless", "typer")
# The host's own login messages come before it, on either stream.
MARK = "skinedge: here it starts"
CHUNK = 1 << 16
SECONDS_TO_CLEAR_UP = 20

OPTIONS = (
    "-T",
    # Without a person to ask, ssh must refuse what it cannot verify.
    *("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"),
    *("-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"),
    # A connection left open for later ones would keep our end of stderr open with it; one that was
    # left open before asks for no key.
    *("-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "RemoteCommand=none"),
    *("-o", "ClearAllForwardings=yes", "-o", "ForwardAgent=no", "-o", "ForwardX11=no"),
)

# Plain POSIX: boards run dash or busybox. stdin stays open as long as the desk wants an answer;
# its end is the one sign of a lost desk that every sshd gives. Jobs run in the background because
# a shell handles no signal while it waits for one in the foreground, and in a group of their own
# so that their children end with them.
SCRIPT = r"""
umask 077
exec 3<&0 </dev/null
folder= job= watcher= ready=
clear_up() {
    code=$?
    trap '' HUP INT PIPE TERM
    trap - EXIT
    [ -z "$watcher" ] || kill "$watcher"
    [ -z "$job" ] || { kill -KILL "-$job" "$job"; wait "$job"; }
    cd /
    for attempt in 1 2 3 4 5; do
        [ -n "$folder" ] && ! rm -rf "$folder" || break
        sleep 1
    done
    exit "$code"
} 2>/dev/null
trap clear_up EXIT
trap 'exit 79' HUP INT PIPE TERM
echo "$mark" >&2

# /tmp is often memory, which the benchmark should have for itself.
for place in "${TMPDIR:-}" /var/tmp /tmp; do
    [ -d "$place" ] && [ -w "$place" ] || continue
    folder=$(mktemp -d "$place/skinedge-XXXXXX") && break
done
[ -n "$folder" ] && cd "$folder" || exit 80
export TMPDIR="$folder" KERAS_HOME="$folder" MPLCONFIGDIR="$folder"
export XDG_CACHE_HOME="$folder" XDG_CONFIG_HOME="$folder"
head -c "$bytes" <&3 | tar -xmf - || exit 81
(read -r nothing <&3; kill -TERM $$) >/dev/null 2>&1 &
watcher=$!
exec 3<&-

PATH=$PATH:/usr/local/bin:$HOME/.local/bin
python=
for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
    "$name" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || continue
    python=${python:-$name}
    "$name" ready.py && python=$name ready=yes && break
done >/dev/null 2>&1
[ -n "$python" ] || exit 82

group='import os, sys; os.setpgid(0, 0); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])'
work() {
    "$python" -c "$group" "$@" &
    job=$!
    wait "$job"
    code=$?
    job=
    [ "$code" -le 128 ] || echo "ended by signal $((code - 128))" >&2
    return "$code"
}
if [ -z "$ready" ]; then
    echo "installing into a temporary environment: $(tr '\n' ' ' <requirements.txt)" >&2
    work -m venv venv >&2 || exit 83
    python=$folder/venv/bin/python
    work -m pip install --quiet --no-cache-dir --disable-pip-version-check --no-input \
        --only-binary :all: -r requirements.txt >&2 || exit 84
fi
export PYTHONPATH="$folder${PYTHONPATH:+:$PYTHONPATH}"
echo "$mark"
work run.py benchmark "$@" --json || exit 85
"""

# Debian's typer is older than 0.15. The benchmark reads models with LiteRT's schema: tflite-runtime
# alone would not do.
READY = """
import re
from importlib.metadata import version
import ai_edge_litert.interpreter, cv2, numpy, typer
assert tuple(map(int, re.findall(r"\\d+", version("typer"))[:2])) >= (0, 15)
"""

# A checkout installed on the host would lend the copy its own train and compress, of any version.
RUN = """
import sys
sys.meta_path[:] = [
    finder
    for finder in sys.meta_path
    if not getattr(finder, "__module__", "").startswith("__editable___skinedge")
]
from skinedge.edge_cli.main import run
run()
"""

LOST, UNREACHED = 255, 256  # what ssh itself exits with, after the mark and before it
ENDS = {
    79: "was interrupted there: {last}",
    80: "has no temporary folder to write to: {last}",
    81: "could not unpack what was copied: {last}",
    82: "has no Python 3.10 or newer; install python3 there",
    83: "cannot make a virtual environment ({last}); install python3-venv there",
    84: "cannot install what the benchmark needs: {last}",
    85: "the benchmark failed there: {last}",
    LOST: "the connection was lost: {last}",
}


def over_ssh(host: str, models: Sequence[Path], arguments: Sequence[str], say: Say) -> Report:
    """Run `skinedge benchmark MODELS... ARGUMENTS --json` on a host.

    Copies the edge library and the models into a temporary folder there, which is removed however
    this ends: by an error, by Ctrl-C, or by the loss of the desk, once the host's sshd notices.

    Args:
        host: as `ssh` takes it.
        models: files on this machine; none: the embedded one.
        arguments: further ones of the command; files they name must be the host's.
        say: gets each line that the host writes on stderr.

    Raises:
        UsageError: the host's name could be read as something else.
        ModelFileError: a model cannot be read.
        BenchmarkError: the host cannot be reached or verified, lacks what is needed, or failed.
    """
    if not host or re.search(r"(^|[@/])-|[^\w.:@/%+-]", host, re.ASCII):
        raise UsageError(f"{host!r}: not a host; give NAME, USER@NAME or a Host of your ssh config")
    there = {f"models/{index}/{path.name}": path for index, path in enumerate(models)}
    archive = _archive(there)
    given = shlex.join([*there, *arguments])
    script = f"mark={shlex.quote(MARK)} bytes={len(archive)}\nset -- {given}\n{SCRIPT}".encode()
    # The script travels through stdin too: the host's login shell may be fish or csh, and dd is
    # what every system has that reads no byte too many.
    shell = f"exec sh -c 'eval \"$(dd bs=1 count={len(script)} 2>/dev/null)\"'"
    say(f"copying {len(archive) / 1e6:.1f} MB to {host}")
    code, out, errors = _talk(["ssh", *OPTIONS, "--", host, shell], script + archive, say)
    _, marked, report = out.partition(f"{MARK}\n")
    if code:
        raise BenchmarkError(_why(host, code, errors))
    if not marked:
        raise BenchmarkError(f"{host}: its shell said nothing; does `ssh {host} true` work?")
    return _named(_read(report, host), there)


def _archive(models: dict[str, Path]) -> bytes:
    """A tar of the library, the models and what the script reads."""
    requirements = "\n".join(_requirements()) + "\n"
    texts = {"ready.py": READY, "run.py": RUN, "requirements.txt": requirements}
    written = io.BytesIO()
    # The oldest form that takes any name: busybox knows it.
    with tarfile.open(fileobj=written, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, text in texts.items():
            _add(tar, name, text.encode())
        for name, path in _library().items():
            _add(tar, name, path.read_bytes())
        for name, path in models.items():
            try:
                _add(tar, name, path.read_bytes())
            except OSError as error:
                raise ModelFileError(f"{path}: cannot read this model: {error.strerror}") from error
    return written.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _library() -> dict[str, Path]:
    """Files of the edge library by their place in a wheel; the repository keeps them elsewhere."""
    found = {}
    for package in PACKAGES:
        spec = find_spec(package)
        for place in (spec and spec.submodule_search_locations) or ():
            for path in sorted(Path(place).rglob("*")):
                parts = path.relative_to(place).parts
                hidden = any(part.startswith(".") for part in parts)
                if path.is_file() and not hidden and not LEFT_OUT.intersection(parts):
                    found["/".join((*package.split("."), *parts))] = path
    return found


def _requirements() -> list[str]:
    try:
        return [line for line in requires("skinedge") or NEEDED if "extra ==" not in line]
    except PackageNotFoundError:
        return list(NEEDED)


def _talk(command: list[str], sent: bytes, say: Say) -> tuple[int, str, list[str]]:
    """Send all, keep stdin open until the answer is there: exit status, stdout, lines of stderr."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C must not end ssh before it has said goodbye
        )
    except FileNotFoundError as error:
        raise BenchmarkError("ssh is not installed; install the OpenSSH client") from error
    assert process.stdin
    assert process.stdout
    assert process.stderr
    done, out = Event(), list[bytes]()
    Thread(target=_send, args=(process.stdin, sent, done), daemon=True).start()
    reader = Thread(target=lambda pipe: out.append(pipe.read()), args=(process.stdout,))
    reader.daemon = True
    reader.start()
    errors: list[str] = []
    started = False
    try:
        for raw in process.stderr:
            line = raw.decode(errors="replace").strip()
            if line.endswith(MARK):
                started, errors = True, []
            elif line:
                errors.append(line)
                if started:
                    say(line)
        process.wait()
    finally:
        done.set()
        try:
            process.wait(SECONDS_TO_CLEAR_UP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    reader.join()
    code = process.returncode
    if code < 0:
        errors.append(f"ssh was ended by signal {-code}")
        code = LOST
    if code and not started:
        code = UNREACHED
    return code, b"".join(out).decode(errors="replace"), errors


def _send(pipe: IO[bytes], content: bytes, done: Event) -> None:
    with suppress(OSError), pipe:
        for start in range(0, len(content), CHUNK):
            if done.is_set():
                return
            pipe.write(content[start : start + CHUNK])
        pipe.flush()
        done.wait()


def _why(host: str, code: int, errors: list[str]) -> str:
    last = (errors or ["it did not say why"])[-1].removeprefix("skinedge: ")
    if code != UNREACHED:
        return f"{host}: " + ENDS.get(code, "failed there: {last}").format(last=last)
    said = "\n".join(errors)
    if "IDENTIFICATION HAS CHANGED" in said:
        return (
            f"{host}: its key is not the one it had before; find out why, and only then remove the "
            "old one with ssh-keygen -R"
        )
    if "Host key verification failed" in said:
        return f"{host}: its key is unknown here; connect once by hand, ssh {host}, to check it"
    if "Permission denied" in said:
        return f"{host}: refused the login ({last}); ssh must get in without asking: ssh-copy-id"
    return f"{host}: cannot be reached: {last}"


def _read(text: str, host: str) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.json")
        path.write_text(text, encoding="utf-8")
        try:
            return read(path)
        except UsageError as error:
            raise BenchmarkError(f"{host}: its benchmark printed no report") from error


def _named(report: Report, there: dict[str, Path]) -> Report:
    """The report with the models' names on this machine."""

    def here(source: str) -> str:
        for name, path in {**there, "skinedge/models/edge.tflite": EMBEDDED}.items():
            if source.endswith(name):
                folder = source.removesuffix(name)
                return folder[: folder.rfind(" ") + 1] + str(path)
        return source

    subjects = tuple(replace(s, source=here(s.source)) for s in report.subjects)
    return replace(report, subjects=subjects)
