"""Benchmarks from a desk over a real sshd on this machine.

The tests start OpenSSH's sshd on a free port, with keys of their own; a wrapper first in PATH
gives the real client a configuration of its own, so nobody's ~/.ssh is read or written. What they
copy there is a small library that stands for SkinEdge's, but for the last one.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from skinedge.benchmarks import remote
from skinedge.benchmarks.result_file import to_json
from skinedge.benchmarks.results import Machine, Report, Size, Subject
from skinedge.errors import BenchmarkError, ModelFileError, UsageError
from skinedge.model_file import EMBEDDED

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
SSH = shutil.which("ssh")
BUSYBOX = shutil.which("busybox")
PYTHONS = ["python3", *(f"python3.{minor}" for minor in range(10, 15))]
needs_sshd = pytest.mark.skipif(
    not (SSHD and SSH and shutil.which("ssh-keygen")),
    reason="needs OpenSSH's sshd, ssh and ssh-keygen: apt-get install openssh-server",
)


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def wait_until(true: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@dataclass(frozen=True)
class Board:
    """This machine as a host called `board`.

    Attributes:
        folder: where the host makes its temporary folders.
        path: first in the host's PATH.
        known, config: of the client.
        sshd: holds the number of the server's process.
        home: of whoever logs in.
    """

    folder: Path
    path: Path
    known: Path
    config: Path
    sshd: Path
    home: Path

    def left(self) -> list[Path]:
        return list(self.folder.iterdir())


def make_key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text()


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    host, mine = make_key(tmp_path / "host_key"), make_key(tmp_path / "my_key")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = Board(
        *(tmp_path / name for name in ("there", "path", "known_hosts", "ssh_config", "pid", "home"))
    )
    found.folder.mkdir()
    found.path.mkdir()
    found.home.mkdir()
    found.known.write_text(f"[127.0.0.1]:{port} {host}")
    (tmp_path / "authorized_keys").write_text(mine)
    python = Path(sys.executable).parent
    (tmp_path / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host_key\nPidFile none\n"
        f"AuthorizedKeysFile {tmp_path}/authorized_keys\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        "PermitRootLogin prohibit-password\n"
        # A home of its own: bash reads ~/.bashrc over ssh, which may put other Pythons first.
        f"SetEnv PATH={found.path}:{python}:/usr/bin:/bin TMPDIR={found.folder} HOME={found.home}\n"
    )
    found.config.write_text(
        f"Host board\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n"
        f"  IdentityFile {tmp_path}/my_key\n  IdentitiesOnly yes\n  IdentityAgent none\n"
        f"  UserKnownHostsFile {found.known}\n  GlobalKnownHostsFile /dev/null\n"
    )
    script(tmp_path / "bin/ssh", f'#!/bin/sh\nexec {SSH} -F {found.config} "$@"\n')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=os.pathsep)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it, as root only
    log = tmp_path / "sshd.log"
    command = [str(SSHD), "-D", "-f", str(tmp_path / "sshd_config"), "-E", str(log)]
    server = subprocess.Popen(command)
    found.sshd.write_text(str(server.pid))

    def listens() -> bool:
        assert server.poll() is None, log.read_text()
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    wait_until(listens)
    yield found
    server.terminate()
    server.wait()


REPORT = Report(
    complete=True,
    command="skinedge benchmark",
    started="2026-01-01T00:00:00+00:00",
    seconds=1.0,
    seed=1,
    machine=Machine("", "Board", "aarch64", 4, None, "Linux", "3.11", {}),
    subjects=(
        Subject(
            name="edge",
            source="models/0/edge.tflite",
            runtime="LiteRT",
            device="cpu",
            precision="int8",
            weights="trained",
            role="model",
            input=192,
            size=Size(1),
        ),
    ),
)

ANSWER = """
import json, os, pathlib, sys, time
def run():
    said = {"argv": sys.argv, "folder": os.getcwd(), "pid": os.getpid(), "group": os.getpgid(0),
            "files": {str(p): p.stat().st_size for p in pathlib.Path().rglob("*") if p.is_file()}}
    pathlib.Path(%r).write_text(json.dumps(said))
    print("timing\\nstill timing", file=sys.stderr, flush=True)
    %s
"""


@pytest.fixture
def library(board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a library in SkinEdge's place whose command writes down how it was called, and acts."""

    def make(act: str) -> Path:
        seen, main = tmp_path / "seen.json", tmp_path / "library/skinedge/edge_cli/main.py"
        main.parent.mkdir(parents=True, exist_ok=True)
        main.write_text(ANSWER % (str(seen), act))
        for package in (main.parent, main.parent.parent):
            (package / "__init__.py").touch()
        root = tmp_path / "library"
        files = {str(path.relative_to(root)): path for path in root.rglob("*.py")}
        monkeypatch.setattr(remote, "_library", lambda: files)
        return seen

    return make


def prints(text: str) -> str:
    return f"print({text!r})"


def run(*models: Path, arguments: tuple[str, ...] = ()) -> tuple[Report, list[str]]:
    said: list[str] = []
    return remote.over_ssh("board", models, arguments, said.append), said


def refused(match: str) -> list[str]:
    said: list[str] = []
    with pytest.raises(BenchmarkError, match=match) as raised:
        remote.over_ssh("board", [], [], said.append)
    assert raised.value.exit_code == 1
    assert "\n" not in str(raised.value)
    return said


@needs_sshd
def test_the_report_comes_back(
    board: Board, library: Callable[[str], Path], tmp_path: Path
) -> None:
    seen = library(prints(to_json(REPORT)))
    model = tmp_path / "with space" / "edge.tflite"
    model.parent.mkdir()
    model.write_bytes(b"m" * 300_000)
    awkward = ("--note", f"a  'b' $(touch {tmp_path}/made) `x` ; \"c\" \\ * !", "")
    report, said = run(model, arguments=awkward)
    assert report.machine == REPORT.machine
    assert report.subjects[0].source == str(model)
    assert said[-2:] == ["timing", "still timing"]
    there = json.loads(seen.read_text())
    assert there["argv"] == ["run.py", "benchmark", "models/0/edge.tflite", *awkward, "--json"]
    assert there["files"]["models/0/edge.tflite"] == 300_000
    assert Path(there["folder"]).parent == board.folder
    assert there["pid"] == there["group"]
    assert not board.left()
    assert not (tmp_path / "made").exists()


@needs_sshd
@pytest.mark.parametrize("act", [prints(to_json(REPORT)), "sys.exit('skinedge: no')"])
@pytest.mark.skipif(not BUSYBOX, reason="needs busybox: apt-get install busybox")
def test_a_board_with_busybox(board: Board, library: Callable[[str], Path], act: str) -> None:
    library(act)
    for tool in ("sh", "dd", "head", "kill", "mktemp", "rm", "sleep", "tar", "tr"):
        (board.path / tool).symlink_to(str(BUSYBOX))
    if act.startswith("print"):
        model = board.config.parent / f"{'long' * 40} ünd.tflite"
        model.symlink_to(EMBEDDED)
        assert run(model)[0].machine == REPORT.machine
    else:
        refused("failed there: no")
    assert not board.left()


@needs_sshd
def test_models_of_one_name_and_none(board: Board, library: Callable[[str], Path]) -> None:
    seen = library(prints(to_json(REPORT)))
    run()
    assert json.loads(seen.read_text())["argv"] == ["run.py", "benchmark", "--json"]
    paths = [board.config.parent / name / "edge.tflite" for name in "ab"]
    for path in paths:
        script(path, path.parent.name)
    run(*paths)
    argv = json.loads(seen.read_text())["argv"]
    assert argv[2:4] == ["models/0/edge.tflite", "models/1/edge.tflite"]


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("models/0/edge.tflite", "/desk/edge.tflite"),
        ("restored from models/0/edge.tflite", "restored from /desk/edge.tflite"),
        ("/var/tmp/skinedge-x/skinedge/models/edge.tflite", str(EMBEDDED)),
        ("melanoma-b3", "melanoma-b3"),
    ],
)
def test_sources_are_the_desk_s(there: str, here: str) -> None:
    report = replace(REPORT, subjects=(replace(REPORT.subjects[0], source=there),))
    named = remote._named(report, {"models/0/edge.tflite": Path("/desk/edge.tflite")})
    assert named.subjects[0].source == here


@needs_sshd
@pytest.mark.parametrize("shell_says", ["echo hello", "echo hello >&2", "printf hello >&2"])
def test_what_a_login_says_is_not_the_report(
    board: Board, library: Callable[[str], Path], shell_says: str
) -> None:
    library(prints(to_json(REPORT)))
    script(board.path / "sh", f'#!/bin/sh\n{shell_says}\nexec /bin/sh "$@"\n')
    report, said = run()
    assert report.subjects
    assert "hello" not in said


@needs_sshd
def test_an_unknown_key_is_refused(board: Board, library: Callable[[str], Path]) -> None:
    seen = library(prints(to_json(REPORT)))
    board.known.write_text("")
    assert len(refused("board: its key is unknown here; connect once by hand")) == 1
    assert not board.known.read_text()
    assert not board.left()
    assert not seen.exists()


@needs_sshd
def test_a_changed_key_is_refused(board: Board, library: Callable[[str], Path]) -> None:
    seen = library(prints(to_json(REPORT)))
    where = board.known.read_text().split()[0]
    board.known.write_text(f"{where} {make_key(board.folder.parent / 'other')}")
    refused("is not the one it had before")
    assert not seen.exists()


@needs_sshd
def test_a_connection_left_open_proves_no_key(
    board: Board, library: Callable[[str], Path], tmp_path: Path
) -> None:
    seen, socket_path = library(prints(to_json(REPORT))), tmp_path / "open"
    board.config.write_text(f"{board.config.read_text()}  ControlPath {socket_path}\n")
    trusting = ["ssh", "-o", "StrictHostKeyChecking=no", "-o", "ControlMaster=yes"]
    master = subprocess.Popen([*trusting, "-N", "board"])
    try:
        wait_until(socket_path.exists)
        board.known.write_text("")
        refused("board: its key is unknown here")
        assert not seen.exists()
    finally:
        master.terminate()
        master.wait()


@needs_sshd
def test_a_refused_login(board: Board, library: Callable[[str], Path]) -> None:
    library(prints(to_json(REPORT)))
    (board.folder.parent / "authorized_keys").write_text("")
    refused("refused the login")


@needs_sshd
def test_nobody_there(board: Board, library: Callable[[str], Path]) -> None:
    library(prints(to_json(REPORT)))
    text = board.config.read_text()
    board.config.write_text("".join(line for line in text.splitlines(True) if "Port" not in line))
    board.config.write_text(board.config.read_text() + "  Port 1\n")
    refused("board: cannot be reached: .*refused")


@needs_sshd
@pytest.mark.parametrize(
    ("act", "match"),
    [
        ("sys.exit('skinedge: edge.tflite: damaged')", "failed there: edge.tflite: damaged"),
        ("os.kill(os.getpid(), 9)", "failed there: ended by signal 9"),
        ("print('no report')", "printed no report"),
    ],
)
def test_a_failing_benchmark(
    board: Board, library: Callable[[str], Path], act: str, match: str
) -> None:
    library(act)
    refused(match)
    assert not board.left()


@needs_sshd
def test_no_python_there(board: Board, library: Callable[[str], Path]) -> None:
    library(prints(to_json(REPORT)))
    for name in PYTHONS:
        script(board.path / name, "#!/bin/sh\nexit 1\n")
    refused("has no Python 3.10 or newer")
    assert not board.left()


@needs_sshd
@pytest.mark.parametrize(
    ("venv", "pip", "match"),
    [
        ("echo ensurepip is not available; exit 1", "", "make a virtual environment .ensurepip is"),
        (
            "mkdir -p venv/bin; cp $0 venv/bin/python",
            "cat requirements.txt; echo ERROR: no matching distribution; exit 1",
            "cannot install what the benchmark needs: ERROR: no matching distribution",
        ),
    ],
)
def test_a_failing_installation(
    board: Board, library: Callable[[str], Path], venv: str, pip: str, match: str
) -> None:
    library(prints(to_json(REPORT)))
    for name in PYTHONS:
        script(
            board.path / name,
            '#!/bin/sh\ncase "$*" in\n*version_info*) exit 0;;\n'
            f"*'-m venv venv') {venv};;\n*'-m pip install '*) {pip};;\n*) exit 1;;\nesac\n",
        )
    said = refused(match)
    assert any("numpy" in line for line in said)
    assert not board.left()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    try:  # whoever adopted it may not have asked for its status yet
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


SLEEP = """
    child = os.fork()
    if child:
        pathlib.Path(sys.argv[2]).write_text(str(child))
        print('sleeping', file=sys.stderr, flush=True)
    time.sleep(600)
"""


@needs_sshd
def test_ctrl_c(board: Board, library: Callable[[str], Path], tmp_path: Path) -> None:
    seen, child = library(SLEEP.strip()), tmp_path / "child"

    def say(line: str) -> None:
        if line == "sleeping":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remote.over_ssh("board", [], [str(child)], say)
    assert not board.left()
    wait_until(lambda: gone(json.loads(seen.read_text())["pid"]), 5)
    wait_until(lambda: gone(int(child.read_text())), 5)


@needs_sshd
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("victim", ["desk", "ssh", "session"])
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_a_lost_desk(
    board: Board,
    library: Callable[[str], Path],
    tmp_path: Path,
    victim: str,
    number: signal.Signals,
) -> None:
    seen, child = library(SLEEP.strip()), tmp_path / "child"
    pids = tmp_path / "ssh.pid"
    text = f'#!/bin/sh\necho $$ > {pids}\nexec {SSH} -F {board.config} "$@"\n'
    script(tmp_path / "bin/ssh", text)
    files = {name: str(path) for name, path in remote._library().items()}
    program = (
        "from pathlib import Path; from skinedge.benchmarks import remote\n"
        f"remote._library = lambda: {{n: Path(p) for n, p in {files!r}.items()}}\n"
        f"remote.over_ssh('board', [], [{str(child)!r}], print)"
    )
    desk = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    try:
        wait_until(child.exists)
        assert board.left()
        server = board.sshd.read_text()
        victims = {
            "desk": [desk.pid],
            "ssh": [int(pids.read_text())],
            "session": map(int, Path(f"/proc/{server}/task/{server}/children").read_text().split()),
        }
        for pid in victims[victim]:
            os.kill(pid, number)
        wait_until(lambda: not board.left())
        wait_until(lambda: gone(json.loads(seen.read_text())["pid"]), 5)
        wait_until(lambda: gone(int(child.read_text())), 5)
        _, errors = desk.communicate(timeout=30)
        assert ("the connection was lost" in errors) == (victim != "desk")
    finally:
        desk.kill()
        desk.wait()


@pytest.mark.parametrize(
    "host",
    ["", "-oProxyCommand=touch x", "pi@-oX", "a b", "pi;id", "$(id)", "`id`", "a|b", "a'b", "a\nb"],
)
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(UsageError, match="not a host"):
        remote.over_ssh(host, [], [], print)


@pytest.mark.parametrize(
    "host", ["board", "pi@raspberrypi.local", "ssh://pi@board:2222", "fe80::1"]
)
def test_ssh_may_be_missing(host: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(remote, "_library", dict)
    with pytest.raises(BenchmarkError, match="ssh is not installed"):
        remote.over_ssh(host, [], [], lambda line: None)


def test_a_missing_model_is_found_out_before_connecting(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot read this model"):
        remote.over_ssh("board", [tmp_path / "none.tflite"], [], print)


def test_only_the_edge_library_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = remote._library()
    assert {
        "skinedge/runtime.py",
        "skinedge/models/edge.tflite",
        "skinedge/edge_cli/main.py",
        "skinedge/benchmarks/remote.py",
    } <= here.keys()
    assert not [name for name in here if name.startswith(("skinedge/train/", "skinedge/compress/"))]
    assert not [name for name in here if "__pycache__" in name]

    # The same from a wheel, where all of it lies in one folder.
    for name, path in here.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(path)
    script(tmp_path / "skinedge/train/__init__.py", "")
    script(tmp_path / "skinedge/runtime.pyc", "")

    def installed(package: str) -> object:
        places = [str(tmp_path.joinpath(*package.split(".")))]
        return type("Spec", (), {"submodule_search_locations": places})

    monkeypatch.setattr(remote, "find_spec", installed)
    assert remote._library().keys() - {"skinedge/runtime.pyc"} == here.keys()


@needs_sshd
def test_end_to_end(board: Board) -> None:
    """SkinEdge itself, copied over ssh and run by the Python of these tests."""
    light = ("--baseline", "", "--no-published", "--no-peers")
    report, said = run(EMBEDDED, arguments=("--threads", "1", "--runs", "3", *light))
    model = next(subject for subject in report.subjects if subject.source == str(EMBEDDED))
    assert model.latency[0].threads == 1
    assert 0 < model.latency[0].inference.median < 60_000
    assert report.complete
    # Nothing came from the checkout that is installed in this Python.
    assert [subject.role for subject in report.subjects] == ["model"]
    assert said
    assert not board.left()
    assert not list(board.home.rglob("*")), "Keras and Matplotlib have folders of their own"
